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

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.tag import BaseTag

from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS, Kind

_DIGITS = 8  # hexadecimal, of a tag
EVIDENCE = "patient_evidence"

# How each kind meets the standard: its option (CID 7050), where the Basic Profile alone would remove the value.
OPTIONS: dict[str, str] = {
    "shifted": "113107 Retain Longitudinal Temporal Information Modified Dates Option",
    "reduced": "113108 Retain Patient Characteristics Option",
    "checked": "113109 Retain Device Identity Option",
    "region": "113105 Clean Descriptors Option",
    "image": "113101 Clean Pixel Data Option",
}
MEANINGS: dict[Kind, str] = {
    "kept": "kept as it is, if it is one of the defined terms or a number",
    "pseudonym": "replaced by a keyed pseudonym (HMAC-SHA256)",
    "shifted": "moved by a number of days constant a patient",
    "reduced": "reduced: sex to F, M or O, age to its decade; a birth date also to a pseudonym, to be compared only "
    "between those who share a study, series, image or number",
    "checked": "kept, and withheld where it repeats a name, an ID or a UID",
    "region": "mapped to a region; only words of the vocabulary are kept",
    "image": "the image, reduced, with burned-in text masked where `ingestion.clean` is on",
    "removed": "removed: not in any output",
}


@dataclass(frozen=True)
class Action:
    """What happens to an attribute; `becomes` is the header table's column that it ends up in, or the shard (`pixels`),
    or the table of what links patients (EVIDENCE).
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
# What is read of a sequence's items: nothing else of any, so all else goes with it.
INSIDE: dict[str, Action] = {
    f"{sequence}.{part}": ALLOWED["PixelData" if "LUT" in part else sequence.split(".")[0]]
    for sequence, parts in _INSIDE.items()
    for part in parts
}


def tags_of(ds: FileDataset) -> str:
    """The tags of a data set and its file meta information, each once, without their values, with blanks between.

    A tag is eight hexadecimal digits; before one inside a sequence stand those around it: `00082218.00080100`.
    The sequences must be sound (see `ingestion.oddities`): they are walked through.
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
    """The items of a sequence; none if the element is no sequence."""
    vr = ds.get_item(tag).VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "")
    return list(ds[tag].value or []) if vr == "SQ" else []


def split_tags(tags: str) -> list[str]:
    """The tags of `tags_of`, one by one."""
    return tags.split()


def action_of(path: str) -> Action:
    """What happens to the attribute of this tag, or of this path of tags, as `tags_of` gives it."""
    return INSIDE.get(keyword_of(path), _REMOVED) if "." in path else _BY_TAG.get(path, _REMOVED)


def keyword_of(path: str) -> str:
    """The keyword in the standard, with those of the sequences around before it; '' if one is private or unknown."""
    tags = [int(tag, 16) for tag in path.split(".")]
    return ".".join(map(keyword_for_tag, tags)) if all(map(dictionary_has_tag, tags)) else ""


def asked_by_standard(path: str) -> str:
    """The Basic Profile's action in Table E.1-1; 'X' for a private attribute, '' if the table lists none.

    For one inside sequences, which the table means too, its own action, else that of the nearest sequence around it.
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
    """A tag as the standard writes it, (0008,0050); a path of them with dots between."""
    return ".".join(f"({tag[:4]},{tag[4:]})" for tag in path.split("."))


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
