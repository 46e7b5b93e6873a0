"""Identities as byte patterns: all spellings that files may use, without patterns that match by chance.

- A UID or path is searched as a whole; for a path, the part below the source, and the file name if it is rare.
- An ID or accession number is a whole word of at least five characters; a plain number has at least six digits.
- A name is searched with its parts in either order and any joint. A single part needs at least four letters and must
not be a word of the software's own pages; otherwise a patient named Long or Hand would be found in every file.
- For staff only a full name counts, because a single word in an operator field can be any word.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote

from dagster_project.intake.privacy.identities import NAME, NUMBER, PATH, STAFF, UID, Identity
from dagster_project.intake.privacy.stopwords import stopwords

_JOINTS = ("^", " ", ", ", ",", "_", "-", ".", "")
_LEAST_NAME, _LEAST_PAIR, _LEAST_ID, _LEAST_DIGITS, _LEAST_PATH = 4, 6, 5, 6, 8
_LEAST_UID = 10
_STANDARD = "1.2.840.10008."  # DICOM's own registered UIDs, which name no patient
_ALIKE = 3  # a file name that this many files have identifies no file


@dataclass
class SearchPatterns:
    """`spellings` are lower-case bytes; `owners` are the identities of each spelling.

    `left_out` counts identities that cannot be searched on their own, by reason.
    """

    spellings: list[bytes] = field(default_factory=list)
    owners: list[list[Identity]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def search_patterns_of(identities: Iterable[Identity]) -> SearchPatterns:
    """The patterns for these identities."""
    identities = list(identities)
    names_of_files = Counter(i.value.rsplit("/", 1)[-1] for i in identities if i.kind == PATH)
    found: dict[bytes, list[Identity]] = defaultdict(list)
    patterns = SearchPatterns()
    for identity in sorted(identities, key=lambda i: (i.kind, i.value, i.batch)):
        texts = set(_texts(identity, names_of_files, patterns.left_out))
        for pattern in {spelled for text in texts for spelled in _spellings(text)}:
            found[pattern].append(identity)
    patterns.spellings, patterns.owners = list(found), list(found.values())
    return patterns


def _texts(identity: Identity, names_of_files: Counter[str], left_out: Counter[str]) -> Iterator[str]:
    value = identity.value.strip()
    if identity.kind == UID:
        yield from _of_uid(value, left_out)
    elif identity.kind == PATH:
        yield from _of_path(value, names_of_files, left_out)
    elif identity.kind == NUMBER:
        yield from _of_id(value, left_out)
    elif identity.kind in (NAME, STAFF):
        yield from _of_name(value, identity.kind, left_out)


def _of_path(value: str, names_of_files: Counter[str], left_out: Counter[str]) -> Iterator[str]:
    name = value.rsplit("/", 1)[-1]
    if "/" in value and len(value) >= _LEAST_PATH:
        yield value
    if len(name) >= _LEAST_PATH and any(map(str.isdigit, name)) and names_of_files[name] < _ALIKE:
        yield name
    elif "/" not in value:
        left_out["file names that are short or common"] += 1


def _of_id(value: str, left_out: Counter[str]) -> Iterator[str]:
    if len(value) < (_LEAST_DIGITS if value.isdigit() else _LEAST_ID):
        left_out["IDs that are too short"] += 1
    elif value.casefold() in stopwords():
        left_out["IDs that are words of the software's own pages"] += 1
    else:
        yield value


def _of_uid(value: str, left_out: Counter[str]) -> Iterator[str]:
    if value.startswith(_STANDARD):
        left_out["UIDs of the DICOM standard"] += 1
    elif len(value) < _LEAST_UID:
        left_out["UIDs that are too short"] += 1
    else:
        yield value


def _of_name(value: str, kind: str, left_out: Counter[str]) -> Iterator[str]:
    for group in value.split("="):  # alphabetic, ideographic, phonetic
        parts = [part for part in re.split(r"[\^,\s]+", group) if any(map(str.isalpha, part))]
        whole = group.strip("^ ")
        if len(parts) > 1 and len(whole) >= _LEAST_ID:
            yield whole
        if len(parts) > 1 and len(parts[0] + parts[1]) >= _LEAST_PAIR:
            for joint in _JOINTS:
                yield parts[0] + joint + parts[1]
                yield parts[1] + joint + parts[0]
        if kind == STAFF:
            left_out.update(["staff names with a single word"] if len(parts) == 1 else [])
            continue
        for part in parts:
            if len(part) < _LEAST_NAME and part.isascii():
                left_out["name parts that are too short"] += 1
            elif part.casefold() in stopwords():
                left_out["name parts that are words of the software's own pages"] += 1
            else:
                yield part


def _spellings(text: str) -> Iterator[bytes]:
    """The spellings of a text in files: UTF-8, Latin-1, escaped for JSON, HTML or a URL; ASCII in lower case."""
    cases = {text} if text.isascii() else {text, text.lower(), text.upper(), _upper(text), text.title()}
    for case in cases:
        written = {case, escape(case), json.dumps(case)[1:-1], quote(case), quote(case, safe="")}
        yield from (form.encode("utf-8", "backslashreplace").lower() for form in written)
        yield case.encode("latin-1", "ignore").lower() if _in_latin1(case) else case.encode().lower()


def _upper(text: str) -> str:
    """The text in capitals; letters without a capital stay: MÜßIG, in addition to MÜSSIG."""
    return "".join(c if len(c.upper()) > 1 else c.upper() for c in text)


def _in_latin1(text: str) -> bool:
    return all(ord(c) < 256 for c in text)
