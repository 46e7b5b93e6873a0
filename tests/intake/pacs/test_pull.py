"""Pulling from a real PACS, by both protocols: everything once, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from datetime import date
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from filelock import FileLock
from pydicom import dcmread
from pydicom.uid import generate_uid
from support.orthanc import PASSWORD, USER, Orthanc
from support.pacs import change, configure, described, one_study, redated, uid_of, uids_in
from support.roots import settings_of

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.pacs import client
from dagster_project.intake.pacs.client import Unanswered
from dagster_project.intake.pacs.pull import Pulled, months, pull
from dagster_project.intake.root import Root

pytestmark = pytest.mark.pacs


def pull_main(root: Paths) -> Pulled:
    return pull(Root(root, settings_of(root)), "main")


def test_images_come_once_as_one_batch_when_their_study_has_settled(
    source: Paths, pacs: Orthanc, images: list[Path]
) -> None:
    pacs.add(*images)
    first = pull_main(source)
    assert (first.batch, first.outcomes, first.swept) == (None, {}, True)
    assert first.waiting == first.studies > 1, "nothing has stood still yet"
    second = pull_main(source)
    assert (second.outcomes, second.waiting, second.swept) == ({"arrived": len(images)}, 0, False)
    assert uids_in(source.inbox / str(second.batch)) == sorted(map(uid_of, images)) == pacs.uids()
    third = pull_main(source)
    assert (third.batch, third.outcomes) == (None, {})
    assert uids_in(source.inbox) == pacs.uids()


def test_pixels_and_header_come_as_they_were_stored(source: Paths, pacs: Orthanc, images: list[Path]) -> None:
    pacs.add(images[0])
    pull_main(source)
    pull_main(source)
    (came,) = (path for path in source.inbox.rglob("*") if path.is_file())
    assert dcmread(came) == dcmread(images[0])
    assert oct(came.stat().st_mode & 0o777) == "0o600"
    assert oct(came.parent.stat().st_mode & 0o777) == oct(source.inbox.stat().st_mode & 0o777) == "0o700"


def test_a_study_that_grows_waits_and_only_its_new_images_come(
    web: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path
) -> None:
    one, other, late = one_study(images[:3], tmp_path)
    pacs.add(one)
    pull_main(web)
    pacs.add(other)
    assert pull_main(web).outcomes == {}, "it grew between two polls"
    assert pull_main(web).outcomes == {"arrived": 2}
    pacs.add(late)
    assert pull_main(web).outcomes == {}
    assert pull_main(web).outcomes == {"arrived": 1}
    assert uids_in(web.inbox) == pacs.uids()


def test_a_prior_that_arrives_late_is_found_by_the_next_full_sweep(
    web: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pacs.add(images[0])
    pull_main(web)
    pull_main(web)
    prior = tmp_path / "prior.dcm"
    redated(images[1], date(date.today().year - 1, 3, 1)).save_as(prior)
    change(prior, StudyInstanceUID=generate_uid())
    pacs.add(prior)
    assert (pull_main(web).outcomes, pull_main(web).outcomes) == ({}, {}), "too old for a poll"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 25 * 3600)
    assert pull_main(web).swept
    assert pull_main(web).outcomes == {"arrived": 1}, "settled, though no poll asks for its date"
    assert uids_in(web.inbox) == pacs.uids()


def test_other_modalities_and_classes_are_left_at_the_pacs(
    source: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path
) -> None:
    good, foreign, captured = one_study(images[:3], tmp_path)
    change(foreign, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2", SeriesInstanceUID=generate_uid())
    change(captured, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SeriesInstanceUID=generate_uid())
    pacs.add(good, foreign, captured)
    pull_main(source)
    assert pull_main(source).outcomes == {"arrived": 1}
    assert uids_in(source.inbox) == [uid_of(good)]


def test_a_full_batch_is_handed_over_and_the_next_pull_goes_on(web: Paths, pacs: Orthanc, images: list[Path]) -> None:
    configure(web, batch_images=5)
    pacs.add(*images[:12])
    pull_main(web)
    assert [pull_main(web).outcomes.get("arrived", 0) for _ in range(4)] == [5, 5, 2, 0]
    assert sorted(len(uids_in(batch)) for batch in web.inbox.iterdir()) == [2, 5, 5]
    assert uids_in(web.inbox) == pacs.uids()


def test_an_object_that_is_too_large_is_counted_and_comes_when_the_limit_is_raised(
    source: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path
) -> None:
    configure(source, max_megabytes=1)
    large, small = one_study(images[:2], tmp_path)
    change(large, ImageComments="x" * 10_000, Rows=1000, Columns=1000, PixelData=b"\1\2" * 1_000_000)
    pacs.add(large, small)
    pull_main(source)
    assert pull_main(source).outcomes == {"arrived": 1, "refused: too large": 1}
    assert pull_main(source).outcomes == {}, "refused once, not at every poll"
    configure(source, max_megabytes=10)
    assert pull_main(source).outcomes == {"arrived": 1}
    assert uids_in(source.inbox) == pacs.uids()


def test_nothing_is_fetched_when_the_disk_is_nearly_full_and_all_of_it_later(
    web: Paths, pacs: Orthanc, images: list[Path]
) -> None:
    configure(web, min_free_gb=1e9)
    pacs.add(*images[:2])
    pull_main(web)
    with pytest.raises(RayTruthError, match="Too little disk"):
        pull_main(web)
    assert uids_in(web.inbox) == []
    configure(web)
    pull_main(web)
    assert uids_in(web.inbox) == pacs.uids()


@pytest.mark.slow
def test_killed_before_any_of_its_steps_it_loses_nothing_and_brings_nothing_twice(
    web: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path
) -> None:
    pacs.add(*images[:2])
    pull_main(web)
    for step in range(1, 200):
        root = Paths(tmp_path / "killed" / str(step))
        shutil.copytree(web.root, root.root)
        child = multiprocessing.get_context("fork").Process(target=pull_and_die, args=(root, step))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        pull_main(root)
        assert uids_in(root.inbox) == pacs.uids(), f"killed before step {step}"
        assert not any(root.spool("main").iterdir())
        assert not any(root.incoming_batch("main").iterdir())
    assert step > 2 * 6, "each image is opened, written, hashed, linked, ..."
    assert uids_in(root.inbox) == pacs.uids()


def pull_and_die(root: Paths, step: int) -> None:
    """Pull, and be killed just before the file operation of that number."""
    operations = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal operations
        touches_root = event == "open" and str(root.root) in str(arguments[0])
        if touches_root or event in ("os.link", "os.rename", "os.remove", "os.mkdir"):
            operations += 1
            if operations == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    pull_main(root)


@pytest.mark.slow
def test_killed_at_any_moment_a_rerun_completes_it_and_brings_every_image_once(
    source: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path
) -> None:
    pacs.add(*images)
    pull_main(source)
    chance, kills, longest = random.Random(1), 0, seconds_of(pulling(copied(source, tmp_path / "undisturbed")))
    for number in range(6):
        root = copied(source, tmp_path / str(number))
        for _ in range(2):
            child = pulling(root)
            child.join(chance.uniform(0, longest))
            child.kill()
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
            kills += child.exitcode != 0
            longest *= 1 if child.exitcode else 0.5  # a busy machine makes any one pull last too long to go by
        pull_main(root)
        assert uids_in(root.inbox) == pacs.uids()
        assert not any(root.spool("main").iterdir())
        assert not any(root.incoming_batch("main").iterdir())
    assert kills > 3, "else it was killed after its end"


def copied(root: Paths, to: Path) -> Paths:
    shutil.copytree(root.root, to)
    return Paths(to)


def pulling(root: Paths) -> BaseProcess:
    child = multiprocessing.get_context("fork").Process(target=pull_main, args=(root,))
    child.start()
    return child


def seconds_of(child: BaseProcess) -> float:
    started = time.monotonic()
    child.join()
    assert child.exitcode == 0
    return time.monotonic() - started


def test_two_pulls_at_once_are_one_and_a_clear_refusal(web: Paths) -> None:
    web.pacs.mkdir(parents=True)
    with FileLock(web.pacs / "main.lock"), pytest.raises(RayTruthError, match="Another process is pulling"):
        pull_main(web)


def test_a_pacs_that_is_away_is_said_and_what_a_kill_left_is_handed_over_and_comes_no_second_time(
    source: Paths, pacs: Orthanc, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    pacs.add(images[0])
    there = settings_of(source).pacs.sources["main"].model_dump(mode="json")
    away = there | ({"url": "http://127.0.0.1:1/dicom-web"} if "url" in there else {"port": 1})
    configure(source, sources={"main": away})
    source.incoming_batch("main").mkdir(parents=True)
    image = load_pseudonyms(source.pseudonym_key).of("arrival", uid_of(images[0]))
    shutil.copy(images[0], source.incoming_batch("main") / f"{image}.dcm")
    with pytest.raises(Unanswered, match=r"request to the PACS failed|did not set up an association"):
        pull_main(source)
    assert uids_in(source.inbox) == pacs.uids()
    configure(source, sources={"main": there})
    assert (pull_main(source).outcomes, pull_main(source).outcomes) == ({}, {})


@pytest.mark.parametrize("protocol", ["dicomweb", "dimse"])
def test_whom_the_pacs_does_not_know_is_told_what_to_do(
    protocol: str, root: Paths, pacs: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    stranger = {"our_ae_title": "NOBODY"} if protocol == "dimse" else {}
    configure(root, sources={"main": described(protocol, pacs) | stranger})
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_USER", USER)
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_PASSWORD", "CANARY")
    with pytest.raises(RayTruthError) as caught:
        pull_main(root)
    assert "CANARY" not in str(caught.value)
    if protocol == "dicomweb":
        assert "refuses our credentials (HTTP 401)" in str(caught.value)
        assert "RAYTRUTH_PACS_<SOURCE>_TOKEN" in caught.value.do
    else:
        assert "AE title" in caught.value.do


def test_what_is_shown_names_no_identity(
    source: Paths, pacs: Orthanc, images: list[Path], capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    pacs.add(*images[:2])
    with caplog.at_level("DEBUG", logger="raytruth"):
        pull_main(source)
        done = pull_main(source)
    shown = capfd.readouterr()
    text = shown.out + shown.err + caplog.text + repr(done) + "".join(str(p) for p in source.root.rglob("*"))
    assert PASSWORD not in text
    for file in images[:2]:
        assert uid_of(file) not in text
    assert "CANARY" not in text


def test_months_cover_every_day_once() -> None:
    pieces = list(months(date(2024, 11, 15), date(2025, 3, 2)))
    assert pieces[0] == (date(2024, 11, 15), date(2024, 11, 30))
    assert pieces[-1] == (date(2025, 3, 1), date(2025, 3, 2))
    assert sum((last - first).days + 1 for first, last in pieces) == (date(2025, 3, 2) - date(2024, 11, 15)).days + 1
    assert list(months(date(2025, 1, 2), date(2025, 1, 1))) == []
