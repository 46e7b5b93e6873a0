"""The structured report says what the reviewer said, of that image, and can be stored anywhere."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from support.conformance import errors_of
from support.corrections import coded, correction_of
from support.dicoms import radiograph, save

from dagster_project.label_quality.corrections.dicom_objects import REPORT, Planned, make
from dagster_project.label_quality.corrections.structured_report import person_name

KNOWN = {"StudyID": "S1", "StudyTime": "101500", "InstitutionName": "Klinik Süd"}


def made(tmp_path: Path, region: str, reviewer: str = "Dr Müller", **elements: object) -> tuple[Path, Dataset]:
    source = save(radiograph(1, **elements), tmp_path / "source.dcm")
    correction = correction_of(pydicom.dcmread(source), region, reviewer=reviewer)
    file = make(Planned(REPORT, correction, coded(region)), source.read_bytes())
    assert make(Planned(REPORT, correction, coded(region)), source.read_bytes()) == file
    path = tmp_path / "report.dcm"
    path.write_bytes(file)
    return path, pydicom.dcmread(BytesIO(file))


def items(ds: Dataset) -> dict[str, Dataset]:
    """Content items of the whole tree by the meaning of their concept name."""
    found = {}
    for item in ds.get("ContentSequence", []):
        found[item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else "image"] = item
        found |= items(item)
    return found


def test_it_says_region_image_reviewer_and_model(tmp_path: Path) -> None:
    _, ds = made(tmp_path, "elbow", **KNOWN)
    said, original = items(ds), radiograph(1)
    for name in ("Finding Site", "Target Region"):
        code = said[name].ConceptCodeSequence[0]
        assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("16953009", "SCT", "Elbow joint")
    referenced = next(i for i in said.values() if i.ValueType == "IMAGE").ReferencedSOPSequence[0]
    assert referenced.ReferencedSOPInstanceUID == original.SOPInstanceUID
    evidence = ds.CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == original.SeriesInstanceUID
    assert said["Person Observer Name"].PersonName == "Dr Müller"
    assert said["Device Observer Serial Number"].TextValue == "model7"
    assert (ds.VerificationFlag, ds.CompletionFlag, ds.PreliminaryFlag) == ("VERIFIED", "COMPLETE", "FINAL")
    verified = ds.VerifyingObserverSequence[0]
    assert (verified.VerifyingObserverName, verified.VerifyingOrganization) == ("Dr Müller", "Klinik Süd")
    assert str(verified.VerificationDateTime).startswith("20260301100000")


def test_it_belongs_to_the_image_s_patient_and_study(tmp_path: Path) -> None:
    _, ds = made(tmp_path, "elbow", **KNOWN)
    original = radiograph(1, **KNOWN)
    for keyword in (
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "AccessionNumber",
    ):
        assert ds[keyword].value == original[keyword].value
    assert ds.SeriesInstanceUID != original.SeriesInstanceUID


def test_the_device_has_one_uid_a_model(tmp_path: Path) -> None:
    uids = {items(made(tmp_path, region)[1])["Device Observer UID"].UID for region in ("elbow", "hand")}
    assert len(uids) == 1


@pytest.mark.parametrize(
    ("region", "elements", "expected"),
    [
        ("elbow", {"ImageLaterality": "R"}, None),
        ("pelvis", {"ImageLaterality": "R"}, "Not applicable"),
        ("pelvis", {"ImageLaterality": "U"}, None),
        ("elbow", {"ImageLaterality": "U"}, "Unknown"),
        ("pelvis", {"ImageLaterality": None, "Laterality": "L"}, "Not applicable"),
        ("pelvis", {"ImageLaterality": None}, None),
    ],
)
def test_the_side_is_named_where_the_change_of_region_affects_it(
    tmp_path: Path, region: str, elements: dict[str, str], expected: str | None
) -> None:
    said = items(made(tmp_path, region, **elements)[1]).get("Laterality")
    assert (said.ConceptCodeSequence[0].CodeMeaning if said else None) == expected


@pytest.mark.parametrize(
    ("charset", "name"),
    [("ISO_IR 100", "Bäcker^Jörg"), ("ISO_IR 192", "山田^太郎"), (["", "ISO 2022 IR 87"], "山田^太郎")],
)
def test_a_name_in_another_character_set_stays_the_name(tmp_path: Path, charset: str, name: str) -> None:
    path, ds = made(tmp_path, "elbow", "Dr Å 山", SpecificCharacterSet=charset, PatientName=name, **KNOWN)
    assert str(ds.PatientName) == name
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds.VerifyingObserverSequence[0].VerifyingObserverName == "Dr Å 山"
    assert name.split("^")[0].encode() in path.read_bytes()


@pytest.mark.parametrize("elements", [KNOWN, {}, {"PatientBirthDate": None, "AccessionNumber": None}])
@pytest.mark.parametrize("region", ["elbow", "pelvis"])
def test_it_conforms(tmp_path: Path, region: str, elements: dict[str, object]) -> None:
    path, _ = made(tmp_path, region, "Dr A", **elements)
    assert errors_of(path) == []


def test_a_reviewer_s_name_cannot_break_out_of_its_component() -> None:
    assert person_name(" A^B=C\\D\n" + "x" * 90) == "A B C D " + "x" * 56
