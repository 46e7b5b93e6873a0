"""A real PACS for the tests: Orthanc with DICOMweb and DIMSE on free loopback ports, authentication on."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from support.missing import left_out

USER, PASSWORD = "raytruth", "a word from the test"
ORTHANC, STORESCU = shutil.which("Orthanc"), shutil.which("storescu")
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def need_orthanc() -> None:
    """Go on only where Orthanc and dcmtk can be found."""
    if not (ORTHANC and STORESCU and DICOMWEB.exists()):
        left_out("no Orthanc here: the PACS is not tested (apt install orthanc orthanc-dicomweb dcmtk)")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Orthanc:
    """A running server; its ports."""

    http: int
    dicom: int
    session: requests.Session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    def call(self, method: str, path: str, **how: object) -> object:
        answer = self.session.request(method, f"http://127.0.0.1:{self.http}{path}", **how)
        answer.raise_for_status()
        return answer.json()

    def add(self, *files: Path) -> None:
        """Store files over its own interface."""
        for file in files:
            self.call("POST", "/instances", data=file.read_bytes())

    def empty(self) -> None:
        """Delete everything."""
        for study in self.call("GET", "/studies"):
            self.call("DELETE", f"/studies/{study}")

    def uids(self) -> list[str]:
        """SOP Instance UIDs of all that it holds, sorted."""
        found = self.call("GET", "/instances?expand")
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in found)

    def send(self, peer: str) -> None:
        """C-STORE everything to a peer of its configuration."""
        self.call("POST", f"/modalities/{peer}/store", json=self.call("GET", "/instances"))


@contextmanager
def orthanc(folder: Path, *, receiver_port: int = 1, dicom_tls: tuple[Path, Path] | None = None) -> Iterator[Orthanc]:
    """An empty Orthanc in `folder`. `dicom_tls`: DIMSE over TLS with a certificate (with key), and whom it trusts."""
    http, dicom = free_port(), free_port()
    folder.mkdir()
    settings = {
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(DICOMWEB)],
        "DicomModalities": {
            "raytruth": {"AET": "RAYTRUTH", "Host": "127.0.0.1", "Port": receiver_port, "AllowFind": True}
        },
    }
    if dicom_tls:
        ours, trusted = map(str, dicom_tls)
        settings |= {"DicomTlsEnabled": True, "DicomTlsCertificate": ours, "DicomTlsPrivateKey": ours}
        settings |= {"DicomTlsTrustedCertificates": trusted, "DicomTlsRemoteCertificateRequired": True}
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = (folder / "log").open("w")
    process = subprocess.Popen([ORTHANC or "Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
    session = requests.Session()
    session.auth, session.trust_env = (USER, PASSWORD), False
    server = Orthanc(http, dicom, session)
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        session.close()
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(server: Orthanc, process: subprocess.Popen, log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            server.call("GET", "/system")
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(log.read_text()[-2000:])
