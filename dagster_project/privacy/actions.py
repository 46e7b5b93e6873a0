"""What happens to each attribute of a file, beside what PS3.15 (2026c) Table E.1-1 asks for it.

Everything that is not named here is removed: it never leaves the file. Table E.1-1's letters: D dummy, Z empty or
dummy, X remove, K keep, C clean, U replace the UID; an attribute that the table does not list may be kept.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydicom.datadict import dictionary_has_tag, keyword_for_tag, tag_for_keyword
from pydicom.dataset import FileDataset

from dagster_project.taxonomy.resolve import LABEL_ATTRIBUTES

Kind = Literal["kept", "pseudonym", "shifted", "reduced", "checked", "region", "picture", "removed"]
_DIGITS = 8  # hexadecimal, of a tag

# How each kind meets the standard: its option (CID 7050), where the Basic Profile alone would remove the value.
OPTIONS: dict[str, str] = {
    "shifted": "113107 Retain Longitudinal Temporal Information Modified Dates Option",
    "reduced": "113108 Retain Patient Characteristics Option",
    "checked": "113109 Retain Device Identity Option",
    "region": "113105 Clean Descriptors Option",
    "picture": "113101 Clean Pixel Data Option",
}
MEANINGS: dict[Kind, str] = {
    "kept": "kept as it is, if it is one of the defined terms or a number",
    "pseudonym": "replaced by a keyed pseudonym (HMAC-SHA256)",
    "shifted": "moved by a number of days constant a patient",
    "reduced": "reduced: sex to F, M or O, age to its decade",
    "checked": "kept, and withheld where it repeats a name, an ID or a UID",
    "region": "mapped to a region; only words of the vocabulary are kept",
    "picture": "the picture, reduced, with burned-in text masked where `ingestion.clean` is on",
    "removed": "removed: not in any output",
}


@dataclass(frozen=True)
class Action:
    """What happens to an attribute; `becomes` is the header table's column, or the shard, that it ends up in."""

    kind: Kind
    becomes: str = ""


_FORMAT = {
    "SOPClassUID": "sop_class",
    "TransferSyntaxUID": "transfer_syntax",
    "Modality": "modality",
    "PhotometricInterpretation": "photometric_interpretation",
    "Rows": "rows",
    "Columns": "columns",
    "BitsAllocated": "bits_allocated",
    "BitsStored": "bits_stored",
    "PixelRepresentation": "signed",
    "RescaleSlope": "rescaled",
    "RescaleIntercept": "rescaled",
    "ModalityLUTSequence": "rescaled",
    "BurnedInAnnotation": "burned_in_annotation",
    "ViewPosition": "view_position",
    "ImageLaterality": "laterality",
    "Laterality": "laterality",
    "KVP": "kvp",
}
ALLOWED: dict[str, Action] = {
    **{keyword: Action("kept", column) for keyword, column in _FORMAT.items()},
    "SOPInstanceUID": Action("pseudonym", "image_id"),
    "StudyInstanceUID": Action("pseudonym", "study"),
    "SeriesInstanceUID": Action("pseudonym", "series"),
    "PatientID": Action("pseudonym", "patient"),
    "IssuerOfPatientID": Action("pseudonym", "patient"),
    "StudyDate": Action("shifted", "study_date_shifted"),
    "PatientSex": Action("reduced", "patient_sex"),
    "PatientAge": Action("reduced", "age_decade"),
    "PatientBirthDate": Action("reduced", "age_decade"),
    "Manufacturer": Action("checked", "manufacturer"),
    "ManufacturerModelName": Action("checked", "model"),
    "StationName": Action("checked", "station"),
    **{keyword: Action("region", "label_region") for keyword in LABEL_ATTRIBUTES},
    "PixelData": Action("picture", "pixels"),
}
_REMOVED = Action("removed")
_BY_TAG = {f"{tag_for_keyword(keyword):0{_DIGITS}X}": action for keyword, action in ALLOWED.items()}


def tags_of(ds: FileDataset) -> str:
    """The tags of a data set and its file meta information, eight hexadecimal digits each, without their values.

    Those inside sequences are not listed: what is not read of a sequence goes with it.
    """
    return "".join(f"{tag:0{_DIGITS}X}" for part in (ds.file_meta, ds) for tag in part.keys())  # noqa: SIM118


def split_tags(tags: str) -> list[str]:
    """The tags of `tags_of`, one by one."""
    return [tags[i : i + _DIGITS] for i in range(0, len(tags), _DIGITS)]


def action_of(tag: str) -> Action:
    """What happens to the attribute of this tag (eight hexadecimal digits)."""
    return _BY_TAG.get(tag, _REMOVED)


def keyword_of(tag: str) -> str:
    """The attribute's keyword in the standard; '' for a private or unknown one."""
    return keyword_for_tag(int(tag, 16)) if dictionary_has_tag(int(tag, 16)) else ""


def asked_by_standard(tag: str) -> str:
    """The Basic Profile's action for a tag in Table E.1-1; 'X' for a private one, '' if the table does not list it."""
    if int(tag[:4], 16) % 2:
        return "X"  # the table's row (gggg,eeee) where gggg is odd
    table = _table()
    repeating = f"{tag[:2]}xx"  # curves and overlays: groups 50xx and 60xx
    return table.get(tag) or table.get(repeating + tag[4:]) or table.get(repeating + "xxxx", "")


@cache
def _table() -> dict[str, str]:
    with Path(__file__).with_name("table_e1_1.csv").open(encoding="ascii", newline="") as file:
        return {row["tag"]: row["action"] for row in csv.DictReader(file)}


def as_written(tag: str) -> str:
    """A tag as the standard writes it: (0008,0050)."""
    return f"({tag[:4]},{tag[4:]})"


def counted(files: Iterable[str]) -> dict[str, int]:
    """Tag -> how many of the files hold it, from each file's `tags_of`."""
    counts: dict[str, int] = {}
    for tags, how_many in _alike(files).items():
        for tag in set(split_tags(tags)):
            counts[tag] = counts.get(tag, 0) + how_many
    return dict(sorted(counts.items()))


def _alike(files: Iterable[str]) -> dict[str, int]:
    alike: dict[str, int] = {}
    for tags in files:
        alike[tags] = alike.get(tags, 0) + 1
    return alike
