"""First pass: from one file's header to a verdict, a pseudonymised row, and the identity that stays private.

Attributes are taken from an allow-list: an attribute that is not named here never leaves the file.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from dagster_project.intake.ingestion.headers.elements import (
    Header,
    integer,
    number,
    open_dataset,
    parse_date,
    refusing,
    text,
)
from dagster_project.intake.ingestion.headers.fast_elements import FastHeader
from dagster_project.intake.ingestion.headers.fast_header import fast_header
from dagster_project.intake.ingestion.headers.header_warnings import warnings_of_header
from dagster_project.intake.ingestion.headers.identifiers import IDENTIFYING, identifiers_of
from dagster_project.intake.ingestion.headers.patient_evidence import Evidence, evidence_of, patient_of
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.safe_open import has_changed
from dagster_project.intake.ingestion.headers.size_limits import refuse_floods, refuse_too_large
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.ingestion.headers.uids import is_valid_uid
from dagster_project.intake.privacy.identities import NUMBER, STAFF
from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS, MODALITIES, MONOCHROME, MetadataColumn
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES, Code, Label, resolve_label
from dagster_project.intake.taxonomy.taxonomy import Taxonomy

CR = "1.2.840.10008.5.1.4.1.1.1"
DX_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DX_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
DICOMDIR = "1.2.840.10008.1.3.10"
SOP_CLASSES = {CR: "CR", DX_PRESENTATION: "DX"}
_COLOUR = re.compile(r"PALETTE COLOR|RGB|YBR_\w+|XYB|HSV|ARGB|CMYK")  # PS3.3, C.7.6.3.1.2, including retired values
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_PIXEL_LIMIT_BITS = 16
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_TAGS = sorted(
    {keyword for column in HEADER_COLUMNS for keyword in column.attributes}
    | {*IDENTIFYING, "ImageType", "PresentationIntentType", "SamplesPerPixel", "NumberOfFrames", "HighBit"}
    | {"WindowCenter", "WindowWidth", "SpecificCharacterSet"}
)


@dataclass(frozen=True)
class Identity:
    """The identifiers of an image in the archive. Only for `data/private/`."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str


@dataclass
class HeaderRead:
    """The result of the first pass for one file. `row` is None if the file is refused for one of the `reasons`."""

    reasons: list[str]
    row: dict[str, Any] | None = None
    identity: Identity | None = None
    label_texts: dict[str, str] = field(default_factory=dict)
    identifiers: list[tuple[str, str]] = field(default_factory=list)  # kind and value; only for `data/private/`
    evidence: list[Evidence] = field(default_factory=list)  # also from refused files


@dataclass(frozen=True)
class HeaderReader:
    """Reads headers in a worker process."""

    pseudonyms: Pseudonyms
    taxonomy: Taxonomy
    max_megapixels: float

    def __call__(self, file: SourceFile) -> HeaderRead:
        """Read one file's header. The content of a file causes no exception except MemoryError (the worker's limit)."""
        if file.refused:
            return HeaderRead([file.refused])
        try:
            with refusing("damaged_header"):
                found = self._read(file)
        except RefusedFile as refusal:
            found = HeaderRead([refusal.reason])
        return HeaderRead(["changed"], identifiers=found.identifiers) if has_changed(file) else found

    def _read(self, file: SourceFile) -> HeaderRead:
        if plain := fast_header(Path(file.path), (*_TAGS, *_CODE)):
            return self._result(file, plain, [])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's warnings contain values of the header
            warned: list[str] = []
            ds = open_dataset(Path(file.path), warned, only=_TAGS)
            refuse_floods(ds)
            return self._result(file, ds, warned)

    def _result(self, file: SourceFile, ds: FileDataset | FastHeader, warned: list[str]) -> HeaderRead:
        """The result, used or refused, with the identifiers and the patient evidence in the header."""
        identifiers = identifiers_of(ds)
        try:
            with refusing("damaged_header"):
                found = self._used(file, ds, warned, identifiers)
        except RefusedFile as refusal:
            found = HeaderRead([refusal.reason])
        return replace(found, identifiers=identifiers, evidence=evidence_of(ds, self.pseudonyms))

    def _used(
        self, file: SourceFile, ds: FileDataset | FastHeader, warned: list[str], identifiers: list[tuple[str, str]]
    ) -> HeaderRead:
        _refuse_other_kinds(ds)
        identity = _identity(ds)
        _refuse_bad_format(ds)
        refuse_too_large(ds, file, self.max_megapixels)
        warned += warnings_of_header(ds)
        patient = patient_of(ds, self.pseudonyms)
        texts = {name: text(ds, name) for name in LABEL_ATTRIBUTES[1:] if text(ds, name)}
        codes = _codes(ds)
        label = resolve_label(codes, texts, self.taxonomy)
        row = {
            "image_id": self.pseudonyms.of("image", identity.sop_instance_uid),
            "patient": patient,
            "study": self.pseudonyms.of("study", identity.study_instance_uid),
            "series": self.pseudonyms.of("series", identity.series_instance_uid),
            **_acquisition(ds, _secrets(identity, identifiers), warned),
            **_study_day(ds, patient, self.pseudonyms, warned),
            **_label_columns(label, warned),
        }
        texts |= {f"{LABEL_ATTRIBUTES[0]}[{i}]": f"{c.scheme} {c.value} {c.meaning}" for i, c in enumerate(codes)}
        return HeaderRead(warned, row, identity, texts)


def _refuse_other_kinds(ds: FileDataset | FastHeader) -> None:
    sop_class = _sop_class(ds)
    if sop_class == DICOMDIR:
        raise RefusedFile("dicomdir")
    if sop_class == DX_PROCESSING or text(ds, "PresentationIntentType").upper() == "FOR PROCESSING":
        raise RefusedFile("for_processing")
    if not sop_class and not text(ds, "Modality"):
        raise RefusedFile("damaged_header")
    if not {*MODALITIES, ""} & set(text(ds, "Modality").upper().split("\\")):
        raise RefusedFile("other_modality")
    if sop_class not in SOP_CLASSES:
        raise RefusedFile("other_sop_class")
    if integer(ds, "NumberOfFrames", 1) > 1:
        raise RefusedFile("multi_frame")
    if integer(ds, "SamplesPerPixel", 1) in (3, 4) or _COLOUR.fullmatch(text(ds, "PhotometricInterpretation")):
        raise RefusedFile("colour")


def _sop_class(ds: FileDataset | FastHeader) -> str:
    return text(ds, "SOPClassUID") or text(ds.file_meta, "MediaStorageSOPClassUID")


def _identity(ds: FileDataset | FastHeader) -> Identity:
    identity = Identity(
        *(text(ds, k) for k in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "PatientID"))
    )
    if not (identity.sop_instance_uid and identity.study_instance_uid and identity.patient_id.strip("\\ ")):
        raise RefusedFile("missing_identifier")
    for uid in (identity.sop_instance_uid, identity.study_instance_uid, identity.series_instance_uid):
        if uid and not is_valid_uid(uid):
            raise RefusedFile("invalid_uid")
    meta = text(ds.file_meta, "MediaStorageSOPInstanceUID")
    if meta and meta != identity.sop_instance_uid:
        raise RefusedFile("meta_mismatch")
    return identity


def _refuse_bad_format(ds: Header) -> None:
    if integer(ds, "Rows") <= 0 or integer(ds, "Columns") <= 0:
        raise RefusedFile("no_size")
    allocated, stored = integer(ds, "BitsAllocated"), integer(ds, "BitsStored")
    high = integer(ds, "HighBit", stored - 1)
    if allocated not in (8, _PIXEL_LIMIT_BITS) or not 0 < stored <= allocated or high != stored - 1:
        raise RefusedFile("inconsistent_bits")
    if text(ds, "PhotometricInterpretation") not in MONOCHROME or integer(ds, "SamplesPerPixel", 1) != 1:
        raise RefusedFile("damaged_header")
    if text(ds, "Modality").upper() not in (*MODALITIES, ""):  # several
        raise RefusedFile("damaged_header")


def _secrets(identity: Identity, identifiers: list[tuple[str, str]]) -> list[str]:
    """Texts that no device text may contain: parts of names and numbers with at least four characters.

    For staff only full names count, because the operator field often has the name of the room or manufacturer.
    """
    values = [(NUMBER, value) for value in vars(identity).values()] + identifiers
    split = [(kind, [part for part in re.split(r"[\^\\=, ]+", value) if part]) for kind, value in values]
    parts = [part for kind, parts in split if kind != STAFF or len(parts) > 1 for part in parts]
    return [part.casefold() for part in parts if len(part) >= 4]


def _acquisition(ds: FileDataset | FastHeader, secrets: list[str], warned: list[str]) -> dict[str, Any]:
    def device(keyword: str) -> str:
        value = text(ds, keyword)
        if any(secret in value.casefold() for secret in secrets):
            warned.append("text_withheld")
            return "(withheld)"
        return value[:64]

    rescaled = (
        "ModalityLUTSequence" in ds or number(ds, "RescaleSlope", 1) != 1 or number(ds, "RescaleIntercept", 0) != 0
    )
    row = {
        "sop_class": SOP_CLASSES[_sop_class(ds)],
        "transfer_syntax": text(ds.file_meta, "TransferSyntaxUID"),
        "rescaled": rescaled,
        "age_decade": _age_decade(ds),
    }
    for column in HEADER_COLUMNS:
        if column.as_declared:
            row[column.name] = device(column.attributes[0]) if column.action == "checked" else _declared(ds, column)
    flags = {
        "monochrome1": row["photometric_interpretation"] == "MONOCHROME1",
        "signed": row["signed"],
        "burned_in": row["burned_in_annotation"] == "YES",
    }
    warned += [reason for reason, holds in flags.items() if holds]
    return row


def _declared(ds: FileDataset | FastHeader, column: MetadataColumn) -> Any:
    """A column's value, read as its declaration says."""
    keyword = column.attributes[0]
    if column.type == "string":
        value = next(filter(None, (text(ds, keyword).upper() for keyword in column.attributes)), "")
        return value if value in column.values else column.other
    if column.type == "bool":
        return integer(ds, keyword, 0) == 1
    return number(ds, keyword, float("nan")) if column.type.startswith("float") else integer(ds, keyword)


def _study_day(ds: Header, patient: str, pseudonyms: Pseudonyms, warned: list[str]) -> dict[str, Any]:
    day = parse_date(text(ds, "StudyDate"))
    if day is None:
        warned.append("bad_date")
    return {"study_date_shifted": pseudonyms.shifted(patient, day) if day else None}


def _label_columns(label: Label, warned: list[str]) -> dict[str, Any]:
    warned += {"missing": ["missing_label"], "region": []}.get(label.status, [f"{label.status}_label"])
    warned += ["retired_label"] if label.rule.startswith("retired") else []
    warned += ["nonstandard_label"] if label.rule == "synonym" else []
    warned += ["label_conflict"] if label.conflict else []
    return {
        "header_region": label.region,
        "label_status": label.status,
        "label_attribute": label.attribute,
        "label_rule": label.rule,
        "label_matched": label.matched,
        "label_conflict": label.conflict,
        "label_conflict_region": label.conflict_region,
    }


def _codes(ds: Header) -> list[Code]:
    items = ds.get(LABEL_ATTRIBUTES[0]) or []
    return [Code(*(text(item, keyword) for keyword in _CODE)) for item in items]


def _age_decade(ds: Header) -> int | None:
    """Age in decades, 0 to 9; 90 and above is 9, because very old patients are identifiable by their age."""
    stated = _AGE.fullmatch(text(ds, "PatientAge").upper())
    born, studied = parse_date(text(ds, "PatientBirthDate")), parse_date(text(ds, "StudyDate"))
    if stated:
        years = int(stated[1]) / {"D": 365.25, "W": 52.2, "M": 12, "Y": 1}[stated[2]]
    elif born and studied and born <= studied:
        years = (studied - born).days / 365.25
    else:
        return None
    return min(int(years // 10), 9) if years < 130 else None
