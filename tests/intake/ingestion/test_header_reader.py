"""First pass: what of a header goes into the row, what stays private, and what never leaves the file."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from support.dicoms import code, radiograph, save
from support.hostile import with_value
from support.readers import HEADERS, PIXELS, PSEUDONYMS, read_header, source_file
from support.taxonomies import own_taxonomy

from dagster_project.intake.ingestion.headers.header_reader import HeaderReader, Identity
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES

pytestmark = [  # we write what the standard forbids
    pytest.mark.filterwarnings("ignore:Invalid value for VR"),
    pytest.mark.filterwarnings("ignore:The value length"),
]
FROM_THE_BATCH = {"batch", "pixel_digest", "cropped", "blanked", "text_masked", "warnings"}
IDENTIFYING = {
    "PatientName": "CANARY^A",
    "PatientID": "CANARY1",
    "IssuerOfPatientID": "CANARY ISSUER",
    "OtherPatientIDs": "CANARY2",
    "OtherPatientNames": "CANARY^B",
    "PatientBirthName": "CANARY^C",
    "PatientMotherBirthName": "CANARY^D",
    "PatientAddress": "CANARY STREET",
    "PatientTelephoneNumbers": "CANARY PHONE",
    "PatientComments": "CANARY COMMENT",
    "AdditionalPatientHistory": "CANARY HISTORY",
    "AccessionNumber": "CANARY3",
    "InstitutionName": "CANARY HOSPITAL",
    "InstitutionAddress": "CANARY ROAD",
    "ReferringPhysicianName": "CANARY^E",
    "PerformingPhysicianName": "CANARY^F",
    "OperatorsName": "CANARY^G",
    "RequestingPhysician": "CANARY^H",
    "DeviceSerialNumber": "CANARY4",
    "StudyID": "CANARY5",
    "ImageComments": "CANARY IN A COMMENT",
    "StudyDescription": "Knie CANARY",
    "SeriesDescription": "CANARY knee",
    "ProtocolName": "CANARY Knie ap",
    "RequestedProcedureDescription": "CANARY",
    "PerformedProcedureStepDescription": "CANARY",
    "AcquisitionDeviceProcessingDescription": "CANARY",
    "BodyPartExamined": "CANARY",
    "ViewPosition": "CANARY",
    "ImageLaterality": "CANARY",
    "PatientSex": "CANARY",
    "BurnedInAnnotation": "CANARY",
}


def row_of(path: Path, **elements: Any) -> dict[str, Any]:
    """The header row of a radiograph with these elements."""
    row = read_header(save(radiograph(**elements), path / "a.dcm")).row
    assert row is not None
    return row


def test_the_row_holds_just_the_columns_of_the_header_table(tmp_path: Path) -> None:
    assert set(row_of(tmp_path)) == {column.name for column in HEADER_COLUMNS} - FROM_THE_BATCH


def test_no_identifying_attribute_shows_in_the_row_whatever_it_holds(tmp_path: Path) -> None:
    row = row_of(tmp_path, **IDENTIFYING)
    assert "CANARY" not in repr(row).upper()
    assert row["header_region"] == "knee"


def test_an_attribute_that_is_not_on_the_list_is_not_even_read(tmp_path: Path) -> None:
    plain = read_header(save(radiograph(), tmp_path / "a.dcm"))
    more = {k: v for k, v in IDENTIFYING.items() if k in ("PatientAddress", "ImageComments")}
    other = read_header(save(radiograph(**more), tmp_path / "b.dcm"))
    assert repr(other) == repr(plain), "compared as text: a missing number is NaN, which equals nothing"


@pytest.mark.parametrize("column", ["Manufacturer", "ManufacturerModelName", "StationName"])
@pytest.mark.parametrize("secret", ["canaryname", "room CANARYID0000", "CANARYACC0000", "x CANARYNAME^0000"])
def test_a_device_text_that_repeats_an_identity_is_withheld(column: str, secret: str, tmp_path: Path) -> None:
    read = read_header(save(radiograph(**{column: secret}), tmp_path / "a.dcm"))
    assert read.reasons == ["text_withheld"]
    assert read.row is not None
    assert "(withheld)" in read.row.values()
    assert "canary" not in repr(read.row).casefold()


def test_a_device_text_that_repeats_an_original_uid_is_withheld(tmp_path: Path) -> None:
    uid = str(radiograph().SOPInstanceUID)
    assert row_of(tmp_path, StationName=uid)["station"] == "(withheld)"


def test_a_short_name_does_not_withhold_every_device_text_that_holds_it(tmp_path: Path) -> None:
    row = row_of(tmp_path, PatientName="Ro^X", StationName="ROOM1")
    assert row["station"] == "ROOM1"


def test_the_identity_and_the_labels_own_words_are_kept_for_private_tables(tmp_path: Path) -> None:
    ds = radiograph(StudyDescription="Knie re")
    read = read_header(save(ds, tmp_path / "a.dcm"))
    uids = (ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID)
    assert read.identity == Identity(*map(str, uids), "CANARYID0000")
    assert read.label_texts == {
        "BodyPartExamined": "KNEE",
        "StudyDescription": "Knie re",
        "AnatomicRegionSequence[0]": "SCT 72696002 Knee",
    }


def test_pseudonyms_come_from_identifiers_and_the_key_alone(tmp_path: Path) -> None:
    ds, row = radiograph(), row_of(tmp_path)
    assert row["image_id"] == PSEUDONYMS.of("image", ds.SOPInstanceUID)
    assert row["study"] == PSEUDONYMS.of("study", ds.StudyInstanceUID)
    other = HeaderReader(Pseudonyms(b"another"), own_taxonomy(), 100)(source_file(tmp_path / "a.dcm")).row
    assert other is not None
    columns = ("image_id", "patient", "study", "series", "study_date_shifted")
    assert [other[c] == row[c] for c in columns[:4]] == [False] * 4
    (tmp_path / "a.dcm").rename(tmp_path / "moved")
    assert repr(read_header(tmp_path / "moved").row) == repr(row)


def test_the_patient_is_the_id_under_its_issuer_and_not_the_name(tmp_path: Path) -> None:
    patient = row_of(tmp_path, PatientID="1")["patient"]
    assert row_of(tmp_path, PatientID="1", PatientName="MARRIED^NOW")["patient"] == patient
    assert row_of(tmp_path, PatientID="1", IssuerOfPatientID="B")["patient"] != patient
    assert row_of(tmp_path, PatientID=" 1 ")["patient"] == patient


def test_the_study_date_is_moved_within_a_year(tmp_path: Path) -> None:
    shifted = row_of(tmp_path, StudyDate="20260301")["study_date_shifted"]
    assert 1 <= (date(2026, 3, 1) - shifted).days <= 365
    assert row_of(tmp_path, StudyDate="20260311")["study_date_shifted"].toordinal() == shifted.toordinal() + 10


@pytest.mark.parametrize(
    ("elements", "decade"),
    [
        ({"PatientAge": "045Y"}, 4),
        ({"PatientAge": "009Y"}, 0),
        ({"PatientAge": "010Y"}, 1),
        ({"PatientAge": "018M"}, 0),
        ({"PatientAge": "200W"}, 0),
        ({"PatientAge": "003D"}, 0),
        ({"PatientAge": "089Y"}, 8),
        ({"PatientAge": "099Y"}, 9),
        ({"PatientAge": "129Y"}, 9),
        ({"PatientAge": "130Y"}, None),
        ({"PatientAge": "045Y", "PatientBirthDate": "20250101"}, 4),
        ({"PatientBirthDate": "19600101"}, 6),
        ({"PatientBirthDate": "19600302"}, 6),
        ({"PatientBirthDate": "19560302"}, 6),
        ({"PatientBirthDate": "20300101"}, None),
        ({"PatientBirthDate": "0001"}, None),
        ({"PatientBirthDate": None}, None),
        ({"StudyDate": None}, None),
    ],
)
def test_of_the_age_only_the_decade_is_kept(elements: dict[str, Any], decade: int | None, tmp_path: Path) -> None:
    assert row_of(tmp_path, **elements)["age_decade"] == decade


@pytest.mark.parametrize(
    ("keyword", "value", "column", "expected"),
    [
        ("ViewPosition", "ap", "view_position", "AP"),
        ("ViewPosition", "SCHRAEG", "view_position", "OTHER"),
        ("ViewPosition", None, "view_position", ""),
        ("ImageLaterality", "l", "laterality", "L"),
        ("ImageLaterality", "links", "laterality", ""),
        ("PatientSex", "m", "patient_sex", "M"),
        ("PatientSex", "W", "patient_sex", ""),
        ("Modality", "cr", "modality", "CR"),
        ("Modality", None, "modality", ""),
        ("BurnedInAnnotation", "no", "burned_in_annotation", "NO"),
        ("BurnedInAnnotation", "MAYBE", "burned_in_annotation", ""),
        ("Manufacturer", "  ACME ", "manufacturer", "ACME"),
        ("Manufacturer", None, "manufacturer", ""),
        ("ManufacturerModelName", "x" * 64, "model", "x" * 64),
        ("KVP", "60.5", "kvp", 60.5),
    ],
)
def test_an_acquisition_attribute_is_tidied(
    keyword: str, value: Any, column: str, expected: Any, tmp_path: Path
) -> None:
    assert row_of(tmp_path, **{keyword: value})[column] == expected


def test_a_device_text_beyond_the_standards_length_is_cut(tmp_path: Path) -> None:
    row = read_header(with_value(tmp_path / "a.dcm", "StationName", "SH", b"y" * 4000)).row
    assert row is not None
    assert row["station"] == "y" * 64


def test_laterality_of_the_series_serves_where_the_image_has_none(tmp_path: Path) -> None:
    assert row_of(tmp_path, ImageLaterality=None, Laterality="R")["laterality"] == "R"


def test_the_image_format_is_recorded(tmp_path: Path) -> None:
    row = row_of(tmp_path, RescaleSlope="2")
    found = [row[c] for c in ("rows", "columns", "bits_allocated", "bits_stored", "signed", "rescaled", "sop_class")]
    assert found == [80, 60, 16, 12, False, True, "DX"]
    assert (row["transfer_syntax"], row["photometric_interpretation"]) == ("1.2.840.10008.1.2.1", "MONOCHROME2")


def test_the_coded_region_goes_before_the_body_part(tmp_path: Path) -> None:
    row = row_of(tmp_path, BodyPartExamined="HAND")
    assert (row["header_region"], row["label_attribute"], row["label_rule"]) == (
        "knee",
        "AnatomicRegionSequence",
        "code",
    )
    assert (row["label_conflict"], row["label_conflict_region"]) == ("BodyPartExamined", "hand")


@pytest.mark.parametrize("keyword", LABEL_ATTRIBUTES[1:])
def test_every_label_attribute_is_read(keyword: str, tmp_path: Path) -> None:
    bare = {name: None for name in ("BodyPartExamined", "AnatomicRegionSequence") if name != keyword}
    row = row_of(tmp_path, **bare, **{keyword: "Ellenbogen"})
    assert (row["header_region"], row["label_attribute"], row["label_matched"]) == ("elbow", keyword, "ellenbogen")


def test_a_coded_region_with_several_or_empty_items_is_read(tmp_path: Path) -> None:
    items = Sequence([Dataset(), code("76752008", "Breast"), code("85562004", "Hand")])
    assert row_of(tmp_path, AnatomicRegionSequence=items, BodyPartExamined="KNEE")["header_region"] is not None


def test_of_free_text_only_words_of_the_vocabulary_reach_the_row(tmp_path: Path) -> None:
    bare = {"AnatomicRegionSequence": None, "BodyPartExamined": None}
    row = row_of(tmp_path, **bare, StudyDescription="Knie von Frau CANARY, geb. 1.2.1960")
    assert (row["header_region"], row["label_matched"]) == ("knee", "knie")


def test_a_file_refused_for_its_kind_is_not_opened(tmp_path: Path) -> None:
    file = source_file(save(radiograph(), tmp_path / "a.dcm"))
    read = HEADERS(type(file)("/dev/full/x", "x", 0, "special_file"))
    assert (read.reasons, read.row) == (["special_file"], None)


def test_a_file_that_changed_since_it_was_listed_is_refused_by_both_passes(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    file = source_file(path)
    save(radiograph(1), path)
    os.utime(path, ns=(0, file.modified + 1))
    assert HEADERS(file).reasons == PIXELS(file).reasons == ["changed"]
    path.write_bytes(path.read_bytes()[:6000])
    assert PIXELS(file).reasons == ["changed"]


def test_a_link_or_a_fifo_in_the_place_of_a_listed_file_is_not_followed_nor_waited_for(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    file = SourceFile(str(path), path.name, path.stat().st_size)
    path.rename(tmp_path / "b.dcm")
    path.symlink_to("b.dcm")
    assert HEADERS(file).reasons == PIXELS(file).reasons == ["unreadable"]
    path.unlink()
    os.mkfifo(path)
    assert HEADERS(file).reasons == PIXELS(file).reasons == ["special_file"]


def test_a_file_that_is_gone_is_unreadable(tmp_path: Path) -> None:
    file = source_file(save(radiograph(), tmp_path / "a.dcm"))
    (tmp_path / "a.dcm").unlink()
    assert HEADERS(file).reasons == ["unreadable"]


def test_the_limit_of_megapixels_is_the_settings(tmp_path: Path) -> None:
    file = source_file(save(radiograph(), tmp_path / "a.dcm"))  # 4800 pixels
    assert HeaderReader(PSEUDONYMS, own_taxonomy(), 0.0048)(file).row is not None
    assert HeaderReader(PSEUDONYMS, own_taxonomy(), 0.0047)(file).reasons == ["too_large"]


@pytest.mark.slow
@given(position=st.integers(132, 1100), byte=st.integers(0, 255))
def test_one_byte_changed_anywhere_is_read_or_refused_and_tells_no_name(
    position: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("changed") / "a.dcm"
    content = bytearray(save(radiograph(), path).read_bytes())
    content[position] = byte
    path.write_bytes(content)
    read = read_header(path)
    assert (read.row is None) == (read.identity is None)
    assert "CANARYNAME" not in repr(read.row)


@given(length=st.integers(0, 1100))
def test_a_header_cut_anywhere_gives_no_row_or_a_whole_one(
    length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.dcm"
    path.write_bytes(save(radiograph(), path).read_bytes()[:length])
    read = read_header(path)
    assert read.row is None or read.row["rows"] == 80
