"""A corrected instance is the same image with another region, and says what it replaced."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLSLossless, RLELossless
from support.conformance import errors_of
from support.corrections import coded, correction_of
from support.dicoms import CR, code, radiograph, save

from dagster_project.label_quality.corrections.dicom_objects import INSTANCE, Planned, differences, make
from dagster_project.label_quality.corrections.original_datasets import NoObject


def made(source: Path, region: str) -> bytes:
    planned = Planned(INSTANCE, correction_of(pydicom.dcmread(source), region), coded(region))
    file = make(planned, source.read_bytes())
    assert make(planned, source.read_bytes()) == file
    return file


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless])
def test_only_the_region_and_the_identity_change(tmp_path: Path, syntax: str | None) -> None:
    ds = radiograph(1, SpecificCharacterSet="ISO_IR 100", PatientName="Bäcker^Jörg")
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    source = save(ds, tmp_path / "source.dcm")
    before = source.read_bytes()
    file = made(source, "elbow")
    assert source.read_bytes() == before
    assert differences(before, file) == [
        *("SOPInstanceUID", "AnatomicRegionSequence", "BodyPartExamined", "SeriesInstanceUID"),
        "OriginalAttributesSequence",
    ]
    one, other = pydicom.dcmread(BytesIO(before)), pydicom.dcmread(BytesIO(file))
    assert one.get_item("PixelData").value == other.get_item("PixelData").value
    assert one.file_meta.TransferSyntaxUID == other.file_meta.TransferSyntaxUID
    assert other.file_meta.MediaStorageSOPInstanceUID == other.SOPInstanceUID
    assert (other.BodyPartExamined, other.AnatomicRegionSequence[0].CodeValue) == ("ELBOW", "16953009")


def test_what_was_there_before_is_noted_after_the_earlier_notes(tmp_path: Path) -> None:
    earlier = Dataset()
    earlier.ModifyingSystem, earlier.ReasonForTheAttributeModification = "PACS", "COERCE"
    earlier.SourceOfPreviousValues, earlier.AttributeModificationDateTime = "", "20250101"
    earlier.ModifiedAttributesSequence = Sequence([Dataset()])
    ds = radiograph(1, OriginalAttributesSequence=Sequence([earlier]))
    file = made(save(ds, tmp_path / "source.dcm"), "elbow")
    first, ours = pydicom.dcmread(BytesIO(file)).OriginalAttributesSequence
    assert first == earlier
    assert (ours.ModifyingSystem, ours.ReasonForTheAttributeModification) == ("RayTruth", "CORRECT")
    assert str(ours.AttributeModificationDateTime).startswith("20260301100000")
    (previous,) = ours.ModifiedAttributesSequence
    assert (previous.BodyPartExamined, previous.AnatomicRegionSequence[0].CodeValue) == ("KNEE", "72696002")
    assert (previous.SOPInstanceUID, previous.SeriesInstanceUID) == (ds.SOPInstanceUID, ds.SeriesInstanceUID)


def test_what_was_absent_is_noted_as_empty_and_a_contradicting_structure_goes(tmp_path: Path) -> None:
    patella = Sequence([code("64234005", "Patella")])
    ds = radiograph(1, BodyPartExamined=None, PrimaryAnatomicStructureSequence=patella)
    out = pydicom.dcmread(BytesIO(made(save(ds, tmp_path / "source.dcm"), "elbow")))
    (previous,) = out.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert previous["BodyPartExamined"].is_empty
    assert previous.PrimaryAnatomicStructureSequence[0].CodeValue == "64234005"
    assert "PrimaryAnatomicStructureSequence" not in out


def test_a_side_goes_where_the_region_has_none_and_is_never_invented(tmp_path: Path) -> None:
    out = pydicom.dcmread(BytesIO(made(save(radiograph(1), tmp_path / "dx.dcm"), "pelvis")))
    assert out.ImageLaterality == "U"
    assert out.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].ImageLaterality == "R"
    cr = radiograph(1, SOPClassUID=CR, Modality="CR", ImageLaterality=None, Laterality="L")
    out = pydicom.dcmread(BytesIO(made(save(cr, tmp_path / "cr.dcm"), "pelvis")))
    assert "Laterality" not in out
    with pytest.raises(NoObject, match="the side is not known"):
        made(save(radiograph(1, ImageLaterality="U"), tmp_path / "u.dcm"), "elbow")


@pytest.mark.slow
def test_it_conforms_as_far_as_the_original_does(images: list[Path], tmp_path: Path) -> None:
    for number, source in enumerate(images[:4]):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(made(source, "pelvis"))
        assert errors_of(path) == errors_of(source)
        assert not [e for e in errors_of(path) if "Original" in e or "Anatomic" in e or "UID" in e]
