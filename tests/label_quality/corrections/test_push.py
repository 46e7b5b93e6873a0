"""The way back into a PACS: dry by default, read back, resumed; what a PACS refuses or already has is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pandas as pd
import pydicom
import pytest
from support.corrections import put_identities, said_of, say
from support.dicoms import radiograph, save
from support.orthanc import Orthanc
from support.pacs import configure
from support.roots import settings_of, where_found

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.pacs import client
from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.push import ALREADY, WOULD_SEND, PushSummary, push_corrections
from dagster_project.label_quality.corrections.push_log import STORED


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [save(radiograph(seed), tmp_path / "export" / f"{seed}.dcm") for seed in range(4)]


def push(root: Paths, *, with_images: bool = True, send: bool = True) -> PushSummary:
    return push_corrections(Root(root, settings_of(root)), "main", with_images=with_images, send=send)


def sent(root: Paths) -> pd.DataFrame:
    return pd.read_csv(root.pushed_list, keep_default_na=False)


@pytest.mark.pacs
def test_by_default_nothing_is_sent(web: Paths, pacs: Orthanc, files: list[Path]) -> None:
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0), said_of(1))
    summary = push(web, send=False)
    assert summary.outcomes == {("report", WOULD_SEND): 2, ("instance", WOULD_SEND): 2}
    assert len(pacs.uids()) == len(files)
    assert sent(web).empty


@pytest.mark.pacs
def test_a_push_is_read_back_and_a_rerun_sends_nothing(web: Paths, pacs: Orthanc, files: list[Path]) -> None:
    pacs.add(*files)
    put_identities(web, files)
    before = [file.read_bytes() for file in files]
    say(web, said_of(0), said_of(1, region="hand"), said_of(2, "given_is_right"), said_of(3, "out_of_domain"))
    summary = push(web)
    assert summary.outcomes == {("report", STORED): 2, ("instance", STORED): 2}
    assert summary.complete
    assert dict(summary.left_out) == {"out of domain: there is no region to write": 1}
    objects = sent(web)
    originals = [str(radiograph(seed).SOPInstanceUID) for seed in range(4)]
    assert pacs.uids() == sorted([*objects["sop_instance_uid"], *originals])
    assert [file.read_bytes() for file in files] == before
    assert push(web).outcomes == {("report", ALREADY): 2, ("instance", ALREADY): 2}
    assert len(pacs.uids()) == 8


@pytest.mark.pacs
def test_what_was_stored_before_a_kill_is_recognised(web: Paths, pacs: Orthanc, files: list[Path]) -> None:
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0))
    push(web)
    web.pushed.unlink()  # as if killed between the PACS's answer and our note
    assert push(web).outcomes == {("report", STORED): 1, ("instance", STORED): 1}
    assert len(pacs.uids()) == 6


@pytest.mark.pacs
def test_another_content_under_the_same_uid_is_a_conflict(
    web: Paths, pacs: Orthanc, files: list[Path], tmp_path: Path
) -> None:
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0))
    push(web)
    uid = sent(web).set_index("kind").loc["instance", "sop_instance_uid"]
    (found,) = pacs.call("POST", "/tools/lookup", data=uid)
    raw = pacs.session.get(f"http://127.0.0.1:{pacs.http}/instances/{found['ID']}/file").content
    (tmp_path / "other.dcm").write_bytes(raw)
    other = pydicom.dcmread(tmp_path / "other.dcm")
    other.BodyPartExamined = "SKULL"
    pacs.call("DELETE", f"/instances/{found['ID']}")
    pacs.add(save(other, tmp_path / "other.dcm"))
    web.pushed.unlink()
    summary = push(web)
    assert not summary.complete
    conflict = "conflict: the PACS has other content under this UID (BodyPartExamined)"
    assert summary.outcomes == {("report", STORED): 1, ("instance", conflict): 1}
    assert push(web).outcomes["instance", conflict] == 1


@pytest.mark.pacs
def test_originals_that_are_only_in_the_pacs_are_fetched_and_those_nowhere_are_named(
    web: Paths, pacs: Orthanc, files: list[Path]
) -> None:
    pacs.add(files[0])
    put_identities(web, files, reachable=False)
    say(web, said_of(0), said_of(1))
    gone = "neither the file nor the PACS has the image"
    assert push(web, with_images=False).outcomes == {("report", STORED): 1, ("report", gone): 1}


@pytest.mark.pacs
def test_a_pacs_without_the_original_is_sent_nothing(web: Paths, pacs: Orthanc, files: list[Path]) -> None:
    put_identities(web, files)
    say(web, said_of(0))
    assert push(web, with_images=False).outcomes == {("report", "not sent: the PACS does not have the original"): 1}
    assert pacs.uids() == []


@pytest.mark.pacs
def test_a_verdict_taken_another_way_later_marks_the_old_object_for_undoing(
    web: Paths, pacs: Orthanc, files: list[Path]
) -> None:
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0))
    push(web, with_images=False)
    say(web, said_of(0, region="hand", again=1))
    summary = push(web, with_images=False)
    assert (summary.outdated, summary.outcomes) == (1, {("report", STORED): 1})
    assert sorted(sent(web)["still_current"]) == [False, True]


@pytest.mark.pacs
def test_identities_stay_in_the_private_folder(web: Paths, pacs: Orthanc, files: list[Path]) -> None:
    pacs.add(*files)
    put_identities(web, files)
    say(web, said_of(0))
    push(web)
    uids = [str(radiograph(0).SOPInstanceUID), str(radiograph(0).StudyInstanceUID), *sent(web)["sop_instance_uid"]]
    for word in ("CANARY", *uids):
        assert where_found(word, web.root, leave_out=("data/private",)) == []
    assert web.pushed.stat().st_mode & 0o077 == web.pushed_list.stat().st_mode & 0o077 == 0


class Half:
    """A PACS that has every image and keeps what it is sent, but refuses what `refuses(count)` says."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.refuses, self.silent, self.posts = lambda _: False, False, 0

    def post(self, body: bytes) -> tuple[int, dict[str, object]]:
        self.posts += 1
        file = body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")]
        uid = str(pydicom.dcmread(BytesIO(file)).SOPInstanceUID)
        named = {"00081155": {"vr": "UI", "Value": [uid]}}
        if self.silent:
            return 503, {}
        if self.refuses(self.posts):
            return 202, {"00081198": {"vr": "SQ", "Value": [named | {"00081197": {"vr": "US", "Value": [0xA700]}}]}}
        self.kept[uid] = file
        return 200, {"00081199": {"vr": "SQ", "Value": [named]}}

    def get(self, path: str) -> tuple[int, str, bytes]:
        if path.startswith("/web/instances"):
            asked = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
            uid, study = asked["SOPInstanceUID"], asked["StudyInstanceUID"]
            here = (uid in self.kept or not uid.startswith("2.25.")) and asked["offset"] == "0"
            row = {"00080018": {"Value": [uid]}, "0020000D": {"Value": [study]}, "0020000E": {"Value": ["1.2"]}}
            return 200, "application/dicom+json", json.dumps([row] if here else []).encode()
        return 200, "application/dicom", self.kept[path.rpartition("/")[2]]


@contextmanager
def serving(half: Half) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(*half.get(self.path))

        def do_POST(self) -> None:
            status, said = half.post(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(status, "application/dicom+json", json.dumps(said).encode())

        def answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/web"
    server.shutdown()
    server.server_close()


@pytest.fixture
def half(root: Paths, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Half]:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    put_identities(root, files)
    say(root, *(said_of(n) for n in range(4)))
    half = Half()
    with serving(half) as url:
        configure(root, sources={"main": {"protocol": "dicomweb", "url": url, "ca": None}})
        yield half


@pytest.mark.slow
def test_a_pacs_that_refuses_half_keeps_the_other_half_and_a_rerun_sends_what_is_missing(
    root: Paths, half: Half
) -> None:
    half.refuses = lambda post: post % 2 == 1
    summary = push(root, with_images=False)
    refused = "refused by the PACS (failure reason 0xA700)"
    assert summary.outcomes == {("report", STORED): 2, ("report", refused): 2}
    assert not summary.complete
    half.refuses = lambda _: False
    summary = push(root, with_images=False)
    assert summary.outcomes == {("report", STORED): 2, ("report", ALREADY): 2}
    assert summary.complete
    assert half.posts == 6
    assert set(sent(root)["sop_instance_uid"]) == set(half.kept)


@pytest.mark.slow
def test_a_pacs_that_falls_silent_is_left_alone_and_the_rest_waits(root: Paths, half: Half) -> None:
    half.silent = True
    assert push(root, with_images=False).outcomes == {("report", "the PACS did not answer"): 4}
    assert half.posts == 3 * client.ATTEMPTS
    half.silent = False
    assert push(root, with_images=False).complete


def test_what_is_accepted_but_not_kept_is_not_called_stored(root: Paths, half: Half) -> None:
    half.kept = type("Sieve", (dict,), {"__setitem__": lambda *_: None})()
    (outcome,) = push(root, with_images=False).outcomes
    assert "accepted, but not found" in outcome[1]


def test_a_dimse_source_takes_no_corrections(root: Paths, files: list[Path]) -> None:
    put_identities(root, files)
    say(root, said_of(0))
    peer = {"host": "127.0.0.1", "port": 1, "ae_title": "A", "our_ae_title": "B", "tls": None}
    configure(root, sources={"main": {"protocol": "dimse", **peer}})
    with pytest.raises(RayTruthError, match="by DICOMweb only"):
        push(root)
