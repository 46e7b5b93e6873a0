"""One object, however it was sent or stored, counts as the same; one that says something else does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from support.dicoms import code, radiograph, save

from dagster_project.intake.pacs.content_digest import content_digest

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")  # as IncomingBatch does


def base() -> FileDataset:
    ds = radiograph(1, AnatomicRegionSequence=Sequence([code("85562004", "Hand")]))
    ds.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "a")
    return ds


def implicit(ds: FileDataset) -> None:
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def other_lengths(ds: FileDataset) -> None:
    ds["AnatomicRegionSequence"].is_undefined_length = not ds["AnatomicRegionSequence"].is_undefined_length


def other_meta(ds: FileDataset) -> None:
    ds.file_meta.ImplementationVersionName = "ANOTHER"


def unused(ds: FileDataset) -> None:
    ds.InstitutionName = "Another"


def other_label(ds: FileDataset) -> None:
    ds.BodyPartExamined = "SKULL"


def other_code(ds: FileDataset) -> None:
    ds.AnatomicRegionSequence[0].CodeValue = "69536005"


def other_pixel(ds: FileDataset) -> None:
    ds.PixelData = ds.PixelData[:-2] + b"\1\2"


def compressed(ds: FileDataset) -> None:
    ds.compress(RLELossless, generate_instance_uid=False)


def digest(folder: Path, *changes: Callable[[FileDataset], None]) -> str:
    ds = base()
    for change in changes:
        change(ds)
    return content_digest(save(ds, folder / "object.dcm"))


@pytest.mark.parametrize("change", [implicit, other_lengths, other_meta, unused])
def test_the_same_in_another_encoding_is_the_same(tmp_path: Path, change: Callable[[FileDataset], None]) -> None:
    assert digest(tmp_path / "a", change) == digest(tmp_path / "b")
    assert (tmp_path / "a" / "object.dcm").read_bytes() != (tmp_path / "b" / "object.dcm").read_bytes()


@pytest.mark.parametrize("change", [other_label, other_code, other_pixel, compressed])
def test_what_says_something_else_is_another(tmp_path: Path, change: Callable[[FileDataset], None]) -> None:
    assert digest(tmp_path / "a", change) != digest(tmp_path / "b")


def deflated(file: Path) -> None:
    ds = dcmread(file)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(file)


def broken(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:400])


def no_dicom(file: Path) -> None:
    file.write_bytes(b"nothing of the kind")


@pytest.mark.parametrize("make", [deflated, broken, no_dicom])
def test_what_cannot_be_read_or_may_inflate_is_compared_by_its_bytes(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    file = save(base(), tmp_path / "object.dcm")
    make(file)
    before = content_digest(file)
    assert content_digest(file) == before
    file.write_bytes(file.read_bytes() + b"x")
    assert content_digest(file) != before
