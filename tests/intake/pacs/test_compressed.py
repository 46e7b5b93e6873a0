"""Compressed images come as they are stored, by every way, and are ingested like their originals."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless
from support.mutations import valid
from support.orthanc import Orthanc, need_orthanc
from support.pacs import redated, uid_of
from support.readers import outcome, source_file
from support.receiver import HERE, receiving, storescu
from support.roots import settings_of

from dagster_project.core.paths import Paths
from dagster_project.intake.pacs.pull import pull
from dagster_project.intake.root import Root

pytestmark = pytest.mark.pacs
# syntax -> its name among the valid files, storescu's option that proposes it
COMPRESSED = {
    JPEGLosslessSV1: ("jpeg lossless", "--propose-lossless"),
    JPEG2000Lossless: ("jpeg 2000", "--propose-j2k-lossless"),
    JPEGLSLossless: ("jpeg-ls", "--propose-jls-lossless"),
    RLELossless: ("rle", "--propose-rle"),
}


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A radiograph of today in each transfer syntax."""
    folder = tmp_path_factory.mktemp("compressed")
    files = {}
    for seed, (syntax, (name, _)) in enumerate(COMPRESSED.items()):
        files[syntax] = folder / f"{seed}.dcm"
        files[syntax].write_bytes(valid(name, seed))
        redated(files[syntax], date.today()).save_as(files[syntax])
        assert dcmread(files[syntax]).file_meta.TransferSyntaxUID == syntax
    return files


def assert_all_came(folder: Path, sent: dict[str, Path]) -> None:
    """Each file is there once, in its own syntax, of the same pixel data, and is used as the original is."""
    came = {uid_of(path): path for path in folder.rglob("*.dcm")}
    assert len(came) == len(list(folder.rglob("*.dcm"))) == len(sent)
    for syntax, original in sent.items():
        path = came[uid_of(original)]
        ds = dcmread(path)
        assert ds.file_meta.TransferSyntaxUID == syntax
        assert ds.PixelData == dcmread(original).PixelData
        used, expected = outcome(source_file(path)), outcome(source_file(original))
        assert (used.verdict, used.reasons) == (expected.verdict, expected.reasons) == ("accept", set())
        assert used.image is not None
        np.testing.assert_array_equal(used.image, expected.image)


def test_pulled(source: Paths, pacs: Orthanc, compressed: dict[str, Path]) -> None:
    pacs.add(*compressed.values())
    pull(Root(source, settings_of(source)), "main")
    assert pull(Root(source, settings_of(source)), "main").outcomes == {"arrived": len(compressed)}
    assert_all_came(source.inbox, compressed)


def test_sent_by_a_pacs(root: Paths, pacs: Orthanc, compressed: dict[str, Path], receiver_port: int) -> None:
    pacs.add(*compressed.values())
    with receiving(root, allowed={"ORTHANC": HERE}, port=receiver_port):
        pacs.send("raytruth")
    assert_all_came(root.incoming_batch("received"), compressed)


def test_sent_by_storescu(root: Paths, compressed: dict[str, Path]) -> None:
    need_orthanc()
    with receiving(root):
        for syntax, (_, option) in COMPRESSED.items():
            assert storescu(root, compressed[syntax], options=[option]) == ""
    assert_all_came(root.incoming_batch("received"), compressed)
