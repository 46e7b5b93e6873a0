"""`raytruth push-corrections` from end to end, in a process of its own, against a real PACS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from support.corrections import drop_class, put_identities, said_of, say
from support.dicoms import radiograph, save
from support.orthanc import Orthanc
from support.whole_chain import run_raytruth

from dagster_project.core.paths import Paths

pytestmark = pytest.mark.pacs


@pytest.fixture
def reviewed(web: Paths, pacs: Orthanc, tmp_path: Path) -> Paths:
    """Three images in the PACS, two of which reviewers corrected; a fourth verdict is of an image that is gone."""
    files = [save(radiograph(seed), tmp_path / "export" / f"{seed}.dcm") for seed in range(3)]
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0), said_of(1, region="hand"), said_of(9))
    return web


def push(root: Paths, *words: str) -> tuple[int, str]:
    done = run_raytruth("push-corrections", "main", *words, root=root.root)
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_dry_run_push_and_rerun(reviewed: Paths, pacs: Orthanc) -> None:
    status, said = push(reviewed)
    assert (status, len(pacs.uids())) == (0, 3)
    assert "would be sent" in said
    assert "the image is in no batch any more" in said
    status, said = push(reviewed, "--with-corrected-images", "--send")
    assert (status, len(pacs.uids())) == (0, 7)
    assert "would be sent" not in said
    status, said = push(reviewed, "--with-corrected-images", "--send")
    assert (status, len(pacs.uids())) == (0, 7)
    assert "stored by an earlier push" in said
    assert "CANARY" not in said


def test_two_processes_that_push_at_once_send_each_object_once(reviewed: Paths, pacs: Orthanc) -> None:
    with ThreadPoolExecutor(2) as both:
        done = list(both.map(lambda _: push(reviewed, "--send"), range(2)))
    assert [status for status, _ in done] == [0, 0]
    assert sorted("stored by an earlier push" in said for _, said in done) == [False, True]
    assert len(pacs.uids()) == 5
    assert len(pd.read_csv(reviewed.pushed_list)) == 2


def test_what_the_pacs_does_not_take_gives_status_1_and_a_rerun_completes_it(reviewed: Paths, pacs: Orthanc) -> None:
    original = str(radiograph(1).SOPInstanceUID)
    (found,) = pacs.call("POST", "/tools/lookup", data=original)
    file = pacs.session.get(f"http://127.0.0.1:{pacs.http}/instances/{found['ID']}/file").content
    pacs.call("DELETE", f"/instances/{found['ID']}")
    status, said = push(reviewed, "--send")
    assert (status, len(pacs.uids())) == (1, 3)
    assert "sends only the missing ones" in said
    pacs.call("POST", "/instances", data=file)
    status, _ = push(reviewed, "--send")
    assert (status, len(pacs.uids())) == (0, 5)


def test_a_class_that_is_no_more_stops_the_push_until_it_is_mapped(reviewed: Paths, pacs: Orthanc) -> None:
    drop_class(reviewed, "elbow", {})
    status, said = push(reviewed, "--send")
    assert (status, len(pacs.uids())) == (1, 3)
    assert "not in the regions file: elbow" in said
    assert "region_map" in said
    drop_class(reviewed, "wrist", {"elbow": "forearm"})
    shown = run_raytruth("correct-labels", root=reviewed.root).stdout
    assert "elbow" in shown
    assert "forearm" in shown
    status, _ = push(reviewed, "--send")
    assert (status, len(pacs.uids())) == (0, 5)
