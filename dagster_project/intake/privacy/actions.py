"""What happens to each attribute of a file, and the action that PS3.15 (2026c) Table E.1-1 requires.

An attribute that is not named here is removed: it never leaves the file. Letters in Table E.1-1: D dummy, Z empty or
dummy, X remove, K keep, C clean, U replace the UID. An attribute that the table does not list may be kept.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag

from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS, Kind

_DIGITS = 8  # hexadecimal, of a tag
EVIDENCE = "patient_evidence"

# The option of the standard (CID 7050) for each kind whose value the Basic Profile alone would remove.
OPTIONS: dict[str, str] = {
    "shifted": "113107 Retain Longitudinal Temporal Information Modified Dates Option",
    "reduced": "113108 Retain Patient Characteristics Option",
    "checked": "113109 Retain Device Identity Option",
    "region": "113105 Clean Descriptors Option",
    "image": "113101 Clean Pixel Data Option",
}
MEANINGS: dict[Kind, str] = {
    "kept": "kept unchanged, if the value is a defined term or a number",
    "pseudonym": "replaced by a keyed pseudonym (HMAC-SHA256)",
    "shifted": "moved by a number of days that is the same for all dates of a patient",
    "reduced": "reduced: sex to F, M or O, age to its decade; a birth date also to a pseudonym, which can be compared "
    "only between patients who share a study, series, image or number",
    "checked": "kept, but withheld if the value repeats a name, an ID or a UID",
    "region": "mapped to a region; only words of the vocabulary are kept",
    "image": "the reduced image, with burned-in text masked if `ingestion.clean` is on",
    "removed": "removed: in no output",
}


@dataclass(frozen=True)
class Action:
    """What happens to an attribute. `becomes` is the resulting column of the header table, the shard (`pixels`), or the
    table of evidence that links patients (EVIDENCE).
    """

    kind: Kind
    becomes: str = ""


_OTHER_IDS, _FORMER = "OtherPatientIDsSequence", "OriginalAttributesSequence"
_PRESENTATION = (  # how grey values are shown
    *("VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "PresentationLUTShape"),
)
ALLOWED: dict[str, Action] = {
    **{keyword: Action(column.action, column.name) for column in HEADER_COLUMNS for keyword in column.attributes},
    **{keyword: Action("pseudonym", EVIDENCE) for keyword in ("OtherPatientIDs", _OTHER_IDS, _FORMER)},
    **dict.fromkeys((*_PRESENTATION, "PixelData"), Action("image", "pixels")),
}
_REMOVED = Action("removed")
_BY_TAG = {f"{tag_for_keyword(keyword):0{_DIGITS}X}": action for keyword, action in ALLOWED.items()}


_IDS = ("PatientID", "IssuerOfPatientID")
_INSIDE = {
    "AnatomicRegionSequence": ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"),
    "ModalityLUTSequence": ("LUTDescriptor", "LUTData"),
    "VOILUTSequence": ("LUTDescriptor", "LUTData"),
    _OTHER_IDS: _IDS,
    _FORMER: ("ModifiedAttributesSequence",),
    f"{_FORMER}.ModifiedAttributesSequence": (*_IDS, "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
# The attributes that are read inside sequences; all other attributes inside a sequence are removed with it.
INSIDE: dict[str, Action] = {
    f"{sequence}.{part}": ALLOWED["PixelData" if "LUT" in part else sequence.split(".")[0]]
    for sequence, parts in _INSIDE.items()
    for part in parts
}


def tags_of(ds: FileDataset) -> str:
    """The tags of a data set and its file meta information, each once, without values, separated by blanks.

    A tag is eight hexadecimal digits. A tag inside a sequence follows the tags of the sequences: `00082218.00080100`.
    The nesting of the sequences must have been checked (see `headers.header_warnings`).
    """
    found: dict[str, None] = {}
    for part in (ds.file_meta, ds):
        _gather(part, "", found)
    return " ".join(found)


def _gather(ds: Dataset, around: str, found: dict[str, None]) -> None:
    for tag in list(ds.keys()):
        path = f"{around}{tag:0{_DIGITS}X}"
        found[path] = None
        for item in items_of(ds, tag):
            _gather(item, f"{path}.", found)


def items_of(ds: Dataset, tag: BaseTag) -> list[Dataset]:
    """The items of a sequence; empty if the element is not a sequence."""
    vr = ds.get_item(tag).VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "")
    return list(ds[tag].value or []) if vr == "SQ" else []


def split_tags(tags: str) -> list[str]:
    """The result of `tags_of` as a list."""
    return tags.split()


def action_of(path: str) -> Action:
    """What happens to the attribute with this tag or path of tags, in the format of `tags_of`."""
    return INSIDE.get(keyword_of(path), _REMOVED) if "." in path else _BY_TAG.get(path, _REMOVED)


def keyword_of(path: str) -> str:
    """The standard's keyword, after the keywords of the enclosing sequences; '' if a tag is private or unknown."""
    tags = [int(tag, 16) for tag in path.split(".")]
    return ".".join(map(keyword_for_tag, tags)) if all(map(dictionary_has_tag, tags)) else ""


def asked_by_standard(path: str) -> str:
    """The Basic Profile's action in Table E.1-1: 'X' for a private attribute, '' if the table has no entry.

    The table also applies inside sequences: the attribute's own action, otherwise the nearest enclosing sequence's.
    """
    return next(filter(None, map(_asked, reversed(path.split(".")))), "")


def _asked(tag: str) -> str:
    if int(tag[:4], 16) % 2:
        return "X"  # the table's row (gggg,eeee) where gggg is odd
    table = _table()
    repeating = f"{tag[:2]}xx"  # curves and overlays: groups 50xx and 60xx
    return table.get(tag) or table.get(repeating + tag[4:]) or table.get(repeating + "xxxx", "")


@cache
def _table() -> dict[str, str]:
    with Path(__file__).with_name("table_e1_1.csv").open(encoding="ascii", newline="") as file:
        return {row["tag"]: row["action"] for row in csv.DictReader(file)}


def as_written(path: str) -> str:
    """A tag in the standard's notation, (0008,0050); the tags of a path are joined by dots."""
    return ".".join(f"({tag[:4]},{tag[4:]})" for tag in path.split("."))


def counted(files: Iterable[str]) -> dict[str, int]:
    """Tag -> number of files with this tag, from the `tags_of` of each file."""
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
