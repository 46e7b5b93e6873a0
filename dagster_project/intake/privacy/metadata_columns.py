"""The columns that the headers of files fill: from which attributes, and what PS3.15 asks for them.

One entry here is all that a new column takes. The header tables, the list of attributes that are read, the
de-identification report, Dagster's column schema and docs/outputs.md follow from this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dagster_project.core.tables import PSEUDONYM, SHARE, Column
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES

Kind = Literal["kept", "pseudonym", "shifted", "reduced", "checked", "region", "image", "removed"]
MODALITIES = ("CR", "DX", "RG")
MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
VIEW_POSITIONS = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO")
LABEL_STATES = ("region", "out_of_scope", "ambiguous", "unmapped", "missing")


@dataclass(frozen=True)
class MetadataColumn(Column):
    """A column of the header tables. `attributes` are the DICOM keywords that it comes from, `action` their action.

    `as_declared`: the first attribute that is filled gives the value, read by `type`, `action` and `values` alone: a
    text that is none of `values` becomes `other`. Other columns have code of their own in header_reader.py.
    """

    attributes: tuple[str, ...] = ()
    action: Kind = "kept"
    as_declared: bool = False
    other: str = ""


def _pseudonym(name: str, description: str, *attributes: str) -> MetadataColumn:
    return MetadataColumn(name, "string", description, PSEUDONYM, attributes=attributes, action="pseudonym")


def _terms(name: str, description: str, values: tuple[str, ...], *attributes: str, other: str = "") -> MetadataColumn:
    return MetadataColumn(name, "string", description, "", None, values, attributes, as_declared=True, other=other)


def _number(name: str, type_: str, description: str, unit: str, attribute: str) -> MetadataColumn:
    return MetadataColumn(name, type_, description, unit, attributes=(attribute,), as_declared=True)


def _device(name: str, description: str, attribute: str) -> MetadataColumn:
    says = f"{description}; `(withheld)` if it repeats an identity"
    return MetadataColumn(name, "string", says, attributes=(attribute,), action="checked", as_declared=True)


def _own(name: str, type_: str, description: str, unit: str = "", values: tuple[str, ...] = ()) -> MetadataColumn:
    """A column that no single attribute fills."""
    return MetadataColumn(name, type_, description, unit, (0, 1) if unit == SHARE else None, values)


HEADER_COLUMNS: tuple[MetadataColumn, ...] = (
    _pseudonym("image_id", "the image", "SOPInstanceUID"),
    _own("batch", "string", "the batch that the image came with"),
    _pseudonym("patient", "the patient, by ID and its issuer", "PatientID", "IssuerOfPatientID"),
    _pseudonym("study", "the study", "StudyInstanceUID"),
    _pseudonym("series", "the series", "SeriesInstanceUID"),
    _terms("modality", "kind of equipment", ("", *MODALITIES), "Modality"),
    MetadataColumn("sop_class", "string", "kind of object", values=("CR", "DX"), attributes=("SOPClassUID",)),
    MetadataColumn("transfer_syntax", "string", "UID of the encoding", attributes=("TransferSyntaxUID",)),
    _terms(
        "photometric_interpretation", "whether 0 is black (2) or white (1)", MONOCHROME, "PhotometricInterpretation"
    ),
    _number("rows", "int32", "height of the source image", "px", "Rows"),
    _number("columns", "int32", "width of the source image", "px", "Columns"),
    _number("bits_allocated", "int16", "bits for each value", "bits", "BitsAllocated"),
    _number("bits_stored", "int16", "bits of a value that are used", "bits", "BitsStored"),
    _number("signed", "bool", "whether values are signed", "", "PixelRepresentation"),
    MetadataColumn(
        "rescaled",
        "bool",
        "whether a modality LUT or rescaling changes the values",
        attributes=("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    ),
    _terms("burned_in_annotation", "what the header says of burned-in text", ("", "YES", "NO"), "BurnedInAnnotation"),
    _terms("view_position", "direction of the beam", ("", *VIEW_POSITIONS, "OTHER"), "ViewPosition", other="OTHER"),
    _terms("laterality", "side of the body", ("", "R", "L", "U", "B"), "ImageLaterality", "Laterality"),
    MetadataColumn(
        "patient_sex",
        "string",
        "sex",
        values=("", "F", "M", "O"),
        attributes=("PatientSex",),
        action="reduced",
        as_declared=True,
    ),
    MetadataColumn(
        "age_decade",
        "Int8",
        "age; 9 also stands for all older patients",
        "10 years",
        (0, 9),
        attributes=("PatientAge", "PatientBirthDate"),
        action="reduced",
    ),
    _device("manufacturer", "maker of the device", "Manufacturer"),
    _device("model", "model of the device", "ManufacturerModelName"),
    _device("station", "name of the console", "StationName"),
    _number("kvp", "float32", "peak voltage of the tube", "kV", "KVP"),
    MetadataColumn(
        "study_date_shifted",
        "datetime64[s]",
        "day of the study, moved by a number of days that is constant for each patient",
        "day",
        attributes=("StudyDate",),
        action="shifted",
    ),
    MetadataColumn(
        "header_region",
        "string",
        "region class that the header names; none if it names no class",
        attributes=LABEL_ATTRIBUTES,
        action="region",
    ),
    _own("label_status", "string", "what the label is", values=LABEL_STATES),
    _own("label_attribute", "string", "keyword of the attribute that gave the label", values=("", *LABEL_ATTRIBUTES)),
    _own("label_rule", "string", "rule of the taxonomy that read the label"),
    _own("label_matched", "string", "word or code of the vocabulary that was found"),
    _own(
        "label_conflict", "string", "keyword of an attribute that names another region", values=("", *LABEL_ATTRIBUTES)
    ),
    _own("label_conflict_region", "string", "the region that this attribute names; none without a conflict"),
    _own("pixel_digest", "string", "equal for images with the same stored values", PSEUDONYM),
    _own("cropped", "float32", "share of the image that was cut off as border", SHARE),
    _own("blanked", "float32", "share that was blanked as markers", SHARE),
    _own("text_masked", "float32", "share that was masked as burned-in text", SHARE),
    _own("warnings", "string", "codes of docs/reasons.md, with semicolons between"),
)
