"""What only DIMSE has: TLS with a certificate on both sides."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.certificates import make_certificate
from support.orthanc import need_orthanc, orthanc
from support.pacs import configure, described, uid_of, uids_in
from support.roots import settings_of

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.pacs import client
from dagster_project.intake.pacs.pull import pull
from dagster_project.intake.root import Root

pytestmark = pytest.mark.pacs


def test_over_tls_both_sides_must_know_each_other(
    root: Paths, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_orthanc()
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    ours, theirs, other = (make_certificate(tmp_path / name) for name in ("ours", "theirs", "other"))
    with orthanc(tmp_path / "store", dicom_tls=(theirs, ours)) as pacs:
        pacs.add(images[0])
        for certificate, ca in ((ours, other), (other, theirs), (None, None)):
            tls = {"certificate": str(certificate), "key": str(certificate), "ca": str(ca)} if certificate else None
            configure(root, sources={"main": described("dimse", pacs) | {"tls": tls}})
            with pytest.raises(RayTruthError, match="did not set up an association"):
                pull(Root(root, settings_of(root)), "main")
        tls = {"certificate": str(ours), "key": str(ours), "ca": str(theirs)}
        configure(root, sources={"main": described("dimse", pacs) | {"tls": tls}})
        pull(Root(root, settings_of(root)), "main")
        pull(Root(root, settings_of(root)), "main")
    assert uids_in(root.inbox) == [uid_of(images[0])]


def test_a_certificate_that_cannot_be_read_is_said(root: Paths, tmp_path: Path) -> None:
    tls = {"certificate": "none.pem", "key": "none.pem", "ca": "none.pem"}
    peer = {"protocol": "dimse", "host": "127.0.0.1", "port": 1, "ae_title": "A", "our_ae_title": "B", "tls": tls}
    configure(root, sources={"main": peer})
    with pytest.raises(RayTruthError, match="cannot be read"):
        pull(Root(root, settings_of(root)), "main")
