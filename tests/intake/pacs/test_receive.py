"""`raytruth receive` as a process of its own, and real senders: Orthanc, dcmtk's storescu, pynetdicom."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE
from support.certificates import make_certificate
from support.orthanc import STORESCU, Orthanc, free_port, need_orthanc
from support.pacs import change, configure, uid_of, uids_in
from support.receiver import HERE, port_of, receiving, start, storescu

from dagster_project.core.paths import Paths
from dagster_project.intake.pacs.state import State

pytestmark = pytest.mark.pacs


@pytest.fixture(autouse=True)
def senders() -> None:
    need_orthanc()


def counted(root: Paths) -> dict[str, int]:
    state = State(root.pacs_state)
    try:
        return {what: number for _, what, number in state.tallies("received")}
    finally:
        state.close()


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_a_pacs_sends_becomes_one_batch_after_a_quiet_time(
    root: Paths, pacs: Orthanc, images: list[Path], receiver_port: int
) -> None:
    pacs.add(*images[:8])
    with receiving(root, allowed={"ORTHANC": HERE}, port=receiver_port, quiet_seconds=6):
        pacs.send("raytruth")
        assert uids_in(root.incoming_batch("received")) == pacs.uids()
        assert files_in(root.inbox) == [], "it is open until nothing more comes"
        wait_for(lambda: files_in(root.inbox))
    (batch,) = root.inbox.iterdir()
    assert batch.name.startswith("received_")
    assert uids_in(root.inbox) == pacs.uids()
    assert {oct(p.stat().st_mode & 0o777) for p in batch.iterdir()} == {"0o600"}
    assert oct(batch.stat().st_mode & 0o777) == "0o700"
    assert counted(root) == {"arrived": 8}


def test_a_full_batch_is_closed_without_a_quiet_time_and_files_are_named_by_no_uid(
    root: Paths, images: list[Path]
) -> None:
    configure(root, batch_images=3)
    settings = {"allowed": {"STORESCU": HERE}, "port": free_port(), "quiet_seconds": 3600}
    configure(root, batch_images=3, receive=settings)
    process = start(root)
    try:
        assert storescu(root, *images[:3]) == ""
        wait_for(lambda: files_in(root.inbox))
    finally:
        process.send_signal(signal.SIGTERM)
        shown = "".join(process.communicate(timeout=120))
    assert "3 images received" in shown
    assert process.returncode == 0
    for file in images[:3]:
        assert uid_of(file) not in shown + "".join(map(str, root.root.rglob("*")))


def test_only_allowed_senders_from_their_own_networks_get_in(root: Paths, images: list[Path]) -> None:
    allowed = {"STORESCU": HERE, "ELSEWHERE": ["192.0.2.0/24"]}
    with receiving(root, allowed=allowed):
        assert "Reject" in storescu(root, images[0], calling="STRANGER")
        assert "Reject" in storescu(root, images[0], calling="ELSEWHERE"), "the title of another machine"
        assert "Reject" in storescu(root, images[0], called="OTHER")
        assert files_in(root.incoming_batch("received")) == []
        assert storescu(root, images[0]) == ""
    assert uids_in(root.incoming_batch("received")) == [uid_of(images[0])]
    assert counted(root) == {"arrived": 1, "refused: sender not allowed": 2}


def test_a_machine_of_no_allowed_network_cannot_even_ask(root: Paths, images: list[Path]) -> None:
    with receiving(root, allowed={"STORESCU": ["192.0.2.0/24"]}):
        assert storescu(root, images[0]) != ""
    assert files_in(root.incoming_batch("received")) == []
    assert counted(root) == {}, "it did not come so far as to give a title"


def test_sent_again_it_counts_once_and_another_content_is_set_aside(
    root: Paths, images: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other.dcm"
    shutil.copy(images[0], other)
    change(other, BodyPartExamined="SKULL")
    with receiving(root):
        for file in (images[0], images[0], other, other):
            assert storescu(root, file) == "", "the sender may forget it"
    assert [uid_of(images[0])] == uids_in(root.incoming_batch("received"))
    (kept,) = files_in(root.incoming_batch("received"))
    assert pydicom.dcmread(kept).get("BodyPartExamined") == pydicom.dcmread(images[0]).get("BodyPartExamined")
    (aside,) = files_in(root.set_aside("received"))
    assert pydicom.dcmread(aside).BodyPartExamined == "SKULL"
    assert counted(root) == {"arrived": 1, "known already": 1, "same UID, other content": 2}
    assert files_in(root.spool("received")) == []


def test_odd_values_of_what_is_sent_are_said_nowhere(root: Paths, images: list[Path], tmp_path: Path) -> None:
    odd = tmp_path / "odd.dcm"
    shutil.copy(images[0], odd)
    with pytest.warns(UserWarning, match="CANARY"):
        change(odd, SeriesInstanceUID="1.2.CANARY")
    configure(root, receive={"allowed": {"STORESCU": HERE}, "port": free_port()})
    process = start(root)
    try:
        assert storescu(root, odd) == ""
    finally:
        process.send_signal(signal.SIGINT)
        said = "".join(process.communicate(timeout=180))
    assert "CANARY" not in said
    assert len(files_in(root.incoming_batch("received"))) == 1


def test_a_full_disk_is_told_to_the_sender_who_keeps_the_image(root: Paths, images: list[Path]) -> None:
    configure(root, min_free_gb=1e9)
    settings = {"allowed": {"STORESCU": HERE}, "port": free_port()}
    configure(root, min_free_gb=1e9, receive=settings)
    process = start(root)
    try:
        assert send(root, images[0]) == 0xA700
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert files_in(root.incoming_batch("received")) == files_in(root.spool("received")) == []
    assert counted(root) == {"refused: disk nearly full": 1}


def test_a_uid_that_is_a_path_is_refused(root: Paths, images: list[Path]) -> None:
    ds = pydicom.dcmread(images[0])
    ds.SOPInstanceUID = "../../../etc/passwd"
    with receiving(root):
        assert send(root, ds) == 0xA900
    assert files_in(root.incoming_batch("received")) == files_in(root.spool("received")) == []


def test_killed_while_being_sent_to_it_goes_on_where_it_was(root: Paths, images: list[Path]) -> None:
    with receiving(root) as process:
        sender = subprocess.Popen(
            [STORESCU or "storescu", "-aec", "RAYTRUTH", "127.0.0.1", str(port_of(root)), *map(str, images)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: len(files_in(root.incoming_batch("received"))) >= 4)
        process.kill()
        process.wait()
        sender.wait(30)
    kept = uids_in(root.incoming_batch("received"))
    assert 4 <= len(kept) < len(images)
    with receiving(root):
        assert storescu(root, *images) == ""
        assert files_in(root.spool("received")) == []
    assert uids_in(root.incoming_batch("received")) == sorted(map(uid_of, images))
    assert len(files_in(root.incoming_batch("received"))) == len(images)


def test_over_tls_a_sender_without_a_certificate_is_left_out(root: Paths, images: list[Path], tmp_path: Path) -> None:
    ours, theirs, strange = (make_certificate(tmp_path / name) for name in ("ours", "theirs", "strange"))
    files = {"certificate": str(ours), "key": str(ours), "ca": str(theirs)}
    with receiving(root, tls=files):
        assert storescu(root, images[0]) != ""
        assert send(root, images[0], tls=client_context(strange, ours)) is None
        assert send(root, images[0], tls=client_context(theirs, ours)) == 0x0000
    assert uids_in(root.incoming_batch("received")) == [uid_of(images[0])]


def client_context(certificate: Path, authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate)
    return context


def send(root: Paths, what: Path | pydicom.Dataset, tls: ssl.SSLContext | None = None) -> int | None:
    """The status that pynetdicom's sender gets; None if there is no association or no answer."""
    ds = pydicom.dcmread(what) if isinstance(what, Path) else what
    entity = AE("STORESCU")
    entity.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
    arguments = (tls, "127.0.0.1") if tls else None
    association = entity.associate("127.0.0.1", port_of(root), ae_title="RAYTRUTH", tls_args=arguments)
    if not association.is_established:
        return None
    try:
        return association.send_c_store(ds).get("Status")
    finally:
        association.release()


@pytest.mark.parametrize(
    ("receive", "said"),
    [({"allowed": {}}, "No sender is allowed"), ({"address": "192.0.2.1"}, "cannot listen on this address")],
)
def test_what_cannot_be_served_is_said(root: Paths, receive: dict[str, object], said: str) -> None:
    configure(root, receive={"allowed": {"STORESCU": HERE}} | receive)
    command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", "--root", str(root.root)]
    done = subprocess.run([*command, "receive"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
