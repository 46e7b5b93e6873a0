"""What the list of actions says is what happens, and it is at least as strict as Table E.1-1 and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from support.dicoms import code, radiograph, save
from support.readers import read_header, read_pixels

from dagster_project.intake.ingestion.batch.tables import HEADERS
from dagster_project.intake.privacy.actions import (
    ALLOWED,
    EVIDENCE,
    MEANINGS,
    OPTIONS,
    action_of,
    as_written,
    asked_by_standard,
    counted,
    keyword_of,
    split_tags,
    tags_of,
)
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES

pytestmark = [
    pytest.mark.filterwarnings("ignore:Invalid value for VR"),
    pytest.mark.filterwarnings("ignore:The value length"),
]
TEXTS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
TABLE = Path(__file__).parents[3] / "dagster_project" / "intake" / "privacy" / "table_e1_1.csv"
BARE = {"AnatomicRegionSequence": None, "BodyPartExamined": None}
CHANGES: dict[
    str, tuple[Any, dict[str, Any], set[str]]
] = {  # attribute -> another value, what else is so, what changes
    "SOPClassUID": ("1.2.840.10008.5.1.4.1.1.1", {}, {"sop_class"}),
    "Modality": ("CR", {}, {"modality"}),
    "PhotometricInterpretation": ("MONOCHROME1", {}, {"photometric_interpretation"}),
    "BitsStored": (11, {"HighBit": None}, {"bits_stored"}),
    "PixelRepresentation": (1, {}, {"signed"}),
    "RescaleSlope": ("2", {}, {"rescaled"}),
    "RescaleIntercept": ("7", {}, {"rescaled"}),
    "BurnedInAnnotation": ("YES", {}, {"burned_in_annotation"}),
    "ViewPosition": ("LL", {}, {"view_position"}),
    "ImageLaterality": ("L", {}, {"laterality"}),
    "Laterality": ("L", {"ImageLaterality": None}, {"laterality"}),
    "KVP": ("70", {"KVP": "60"}, {"kvp"}),
    "SOPInstanceUID": ("1.2.3.4", {}, {"image_id"}),
    "StudyInstanceUID": ("1.2.3.4", {}, {"study"}),
    "SeriesInstanceUID": ("1.2.3.4", {}, {"series"}),
    "PatientID": ("other", {}, {"patient", "study_date_shifted"}),
    "IssuerOfPatientID": ("other", {}, {"patient", "study_date_shifted"}),
    "StudyDate": ("20200101", {"PatientAge": "050Y"}, {"study_date_shifted"}),
    "PatientSex": ("M", {}, {"patient_sex"}),
    "PatientAge": ("012Y", {}, {"age_decade"}),
    "PatientBirthDate": ("20100101", {}, {"age_decade"}),
    "Manufacturer": ("OTHER", {}, {"manufacturer"}),
    "ManufacturerModelName": ("OTHER", {}, {"model"}),
    "StationName": ("OTHER", {}, {"station"}),
    "AnatomicRegionSequence": (Sequence([code("85562004", "Hand")]), {"BodyPartExamined": None}, {"header_region"}),
    **{keyword: ("HAND", BARE, {"header_region"}) for keyword in LABEL_ATTRIBUTES[1:]},
}


def tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


@pytest.mark.parametrize("keyword", CHANGES)
def test_an_attribute_changes_just_the_columns_that_its_action_names(keyword: str, tmp_path: Path) -> None:
    value, besides, columns = CHANGES[keyword]
    before = read_header(save(radiograph(**besides), tmp_path / "a.dcm")).row
    after = read_header(save(radiograph(**{**besides, keyword: value}), tmp_path / "b.dcm")).row
    assert before is not None
    assert after is not None
    changed = {c for c in before if repr(before[c]) != repr(after[c])}
    assert {c for c in changed if not c.startswith("label_") or c == "header_region"} == columns
    assert ALLOWED[keyword].becomes in changed


def test_every_attribute_of_the_list_is_tried_but_those_that_go_with_the_pixels() -> None:
    of_pixels = {"VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"}
    of_pixels |= {"PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape"}
    of_pixels |= {"TransferSyntaxUID", "PixelData", "Rows", "Columns", "BitsAllocated", "ModalityLUTSequence"}
    of_evidence = {keyword for keyword, action in ALLOWED.items() if action.becomes == EVIDENCE}
    assert set(CHANGES) == set(ALLOWED) - of_pixels - of_evidence


def test_every_column_comes_from_a_listed_attribute_or_from_the_pass_itself() -> None:
    own = {"batch", "pixel_digest", "cropped", "blanked", "text_masked", "warnings"}
    of_label = {c for c in HEADERS.types if c.startswith("label_")}
    assert {a.becomes for a in ALLOWED.values()} - {"pixels", EVIDENCE} == set(HEADERS.types) - own - (
        of_label - {"header_region"}
    )


def test_what_is_not_removed_is_unlisted_in_the_table_or_allowed_by_an_option() -> None:
    for keyword, action in ALLOWED.items():
        asked = asked_by_standard(tag(keyword))
        if action.kind == "pseudonym":
            assert asked in ("U", "Z/D", "X"), keyword
        elif asked:
            assert action.kind in OPTIONS, keyword
        assert action.kind in MEANINGS


def test_no_text_of_the_table_reaches_a_row_unless_it_is_checked_or_mapped(tmp_path: Path) -> None:
    tags = [row.split(",")[0] for row in TABLE.read_text().splitlines()[1:] if "x" not in row.split(",")[0]]
    keywords = [keyword_for_tag(int(t, 16)) for t in tags if int(t[:4], 16) > 2]
    texts = [k for k in keywords if k and dictionary_VR(k) in TEXTS]
    assert len(texts) > 300
    reduced = [k for k in texts if action_of(tag(k)).kind in ("removed", "reduced", "region", "shifted", "pseudonym")]
    ds = radiograph(**dict.fromkeys(reduced, "ZZSECRET"))
    row = read_header(save(ds, tmp_path / "a.dcm")).row
    assert row is not None
    assert "secret" not in repr(row).casefold()


def test_tags_are_counted_without_values_and_private_ones_too(tmp_path: Path) -> None:
    ds = radiograph()
    ds.private_block(0x0029, "CANARY MAKER", create=True).add_new(1, "LO", "CANARY")
    ds.AnatomicRegionSequence[0].CodeMeaning = "CANARY"
    tags = read_pixels(save(ds, tmp_path / "a.dcm")).tags
    assert {"00290010", "00291001", "00100010", "00020003", "7FE00010"} <= set(split_tags(tags))
    assert counted([tags, tags_of(radiograph())])["00100010"] == 2
    assert counted([tags, tags_of(radiograph())])["00291001"] == 1
    assert action_of("00291001").kind == "removed"


@pytest.mark.parametrize(
    ("tag", "asked"),
    [("00100010", "Z"), ("00080018", "U"), ("00291001", "X"), ("50043000", "X"), ("60023000", "X"), ("00280010", "")],
)
def test_what_the_standard_asks_is_looked_up_for_repeating_and_private_groups_too(tag: str, asked: str) -> None:
    assert asked_by_standard(tag) == asked


def nested(**inside: object) -> FileDataset:
    """A radiograph with a request in whose items, and in the items of a code in them, something stands."""
    inner, item = Dataset(), Dataset()
    for keyword, value in inside.items():
        setattr(inner, keyword, value)
        setattr(item, keyword, value)
    item.ScheduledProtocolCodeSequence = Sequence([inner, Dataset()])
    return radiograph(RequestAttributesSequence=Sequence([item, Dataset()]))


def test_tags_inside_sequences_are_listed_by_their_path_without_values(tmp_path: Path) -> None:
    ds = nested(CodeMeaning="CANARY", RequestingPhysician="CANARY^JO")
    ds.RequestAttributesSequence[1].private_block(0x0029, "CANARY MAKER", create=True).add_new(1, "LO", "CANARY")
    tags = read_pixels(save(ds, tmp_path / "a.dcm")).tags
    request, protocol = tag("RequestAttributesSequence"), tag("ScheduledProtocolCodeSequence")
    paths = split_tags(tags)
    assert {request, f"{request}.{tag('RequestingPhysician')}", f"{request}.00291001"} <= set(paths)
    assert f"{request}.{protocol}.{tag('CodeMeaning')}" in paths
    assert f"{tag('AnatomicRegionSequence')}.{tag('CodeValue')}" in paths
    assert len(paths) == len(set(paths)), "each once, however many items hold it"
    assert "CANARY" not in tags


@pytest.mark.parametrize(
    ("path", "keyword", "kind", "asked"),
    [
        ("AnatomicRegionSequence.CodeValue", "AnatomicRegionSequence.CodeValue", "region", ""),
        ("AnatomicRegionSequence.MappingResource", "AnatomicRegionSequence.MappingResource", "removed", ""),
        ("ModalityLUTSequence.LUTData", "ModalityLUTSequence.LUTData", "image", ""),
        ("RequestAttributesSequence.RequestingPhysician", None, "removed", "X"),
        ("RequestAttributesSequence.BodyPartExamined", None, "removed", "X"),
        ("OtherPatientIDsSequence.PatientID", None, "pseudonym", "Z"),
        ("OtherPatientIDsSequence.TypeOfPatientID", None, "removed", "X"),
        ("OriginalAttributesSequence.ModifiedAttributesSequence.PatientID", None, "pseudonym", "Z"),
        ("OriginalAttributesSequence.ModifiedAttributesSequence.PatientName", None, "removed", "Z"),
        ("ReferencedImageSequence.ReferencedSOPInstanceUID", None, "removed", "U"),
    ],
)
def test_inside_a_sequence_only_what_is_read_there_is_not_removed(
    path: str, keyword: str | None, kind: str, asked: str
) -> None:
    tags = ".".join(map(tag, path.split(".")))
    assert keyword_of(tags) == (keyword or path)
    assert action_of(tags).kind == kind
    assert asked_by_standard(tags)[:1] == asked


def test_a_private_attribute_inside_a_sequence_and_a_known_one_inside_a_private_one_have_no_name() -> None:
    assert keyword_of(f"{tag('RequestAttributesSequence')}.00291001") == ""
    assert keyword_of(f"00291001.{tag('PatientID')}") == ""
    assert as_written("00400275.00291001") == "(0040,0275).(0029,1001)"
    assert asked_by_standard("00400275.00291001") == "X"


def test_nothing_of_other_sequences_reaches_a_row_or_the_image(tmp_path: Path) -> None:
    secret = dict.fromkeys(("PatientID", "BodyPartExamined", "CodeValue", "CodeMeaning", "StationName"), "ZZSECRET")
    header = read_header(save(nested(**secret), tmp_path / "a.dcm"))
    assert "secret" not in repr(header.row).casefold()
    assert repr(header.row) == repr(read_header(save(radiograph(), tmp_path / "b.dcm")).row)
