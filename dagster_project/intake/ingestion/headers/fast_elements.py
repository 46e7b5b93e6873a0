"""Read the elements of a data set from bytes (PS3.5 7.1), as long as they are plain; see fast_header.py."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from struct import Struct

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword

_ENCODINGS = {"ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}  # with other character sets, only ASCII is read here
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 7.1.2: with a length of 32 bits
_EXPLICIT, _IMPLICIT, _LENGTH, _NUMBER = Struct("<HH2sH"), Struct("<HHL"), Struct("<L"), Struct("<H")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARSET = 0x00080005
_UNDEFINED = 0xFFFFFFFF
_DEEPEST = 8
_MOST_ITEMS = 100
_PLAIN = {
    "UI": re.compile(r"[0-9.]+"),
    "DS": re.compile(r"-?\d{1,10}(\.\d{1,10})?(\\-?\d{1,10}(\.\d{1,10})?)*"),
    "IS": re.compile(r"\d{1,9}"),
    "PN": re.compile(r"[^=\\]+"),
}

Wanted = dict[int, tuple[str, str]]  # tag -> keyword and value representation


class NotPlain(Exception):
    """An element is not plain."""


class FalseLength(NotPlain):
    """A sequence, an item or an element in an item does not end where its length says."""


@dataclass(slots=True)
class FastHeader:
    """Attributes by keyword, as in `elements.text`; `items` are the items of sequences, in order."""

    texts: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[FastHeader]] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    implicit: bool = False
    preamble: bytes = b""

    @property
    def file_meta(self) -> FastHeader:
        """The file meta information."""
        return FastHeader(self.meta)

    @property
    def original_encoding(self) -> tuple[bool, bool]:
        """Whether the value representations are implicit, and True for little-endian byte order."""
        return self.implicit, True

    def get(self, keyword: str) -> list[FastHeader] | None:
        """The items of a sequence; None if the sequence is missing."""
        return self.items.get(keyword)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.items or keyword in self.texts


@cache
def wanted_tags(keywords: tuple[str, ...]) -> Wanted:
    """The tags of these attributes, with keyword and value representation."""
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    return {tag: (keyword, dictionary_VR(tag)) for keyword, tag in tags.items() if tag is not None}


def read_elements(
    data: bytes, at: int, end: int, limit: int, wanted: Wanted, header: FastHeader, encoding: str | None, depth: int
) -> int:
    """Read elements into `header`, from `at` to `end` or to the first tag >= `limit`; return where reading ended.

    `depth`: number of enclosing sequences. Raises NotPlain, struct.error or UnicodeDecodeError for elements that are
    not plain.
    """
    implicit, last = header.implicit, 0
    while at != end:
        vr: bytes | None = None
        if implicit:
            group, element, length = _IMPLICIT.unpack_from(data, at)
        else:
            group, element, vr, length = _EXPLICIT.unpack_from(data, at)
        tag, begin = group << 16 | element, at + 8
        if tag >= limit:
            return at
        if vr in _LONG:
            (length,) = _LENGTH.unpack_from(data, begin)
            begin += 4
        elif not implicit and vr not in _SHORT:
            raise NotPlain
        at = begin + length
        if at > end and length != _UNDEFINED:
            raise FalseLength if depth else NotPlain
        if tag <= last:
            raise NotPlain
        last = tag
        keyword, kind = wanted.get(tag, ("", ""))
        if length == _UNDEFINED:
            if not _is_sequence(data, begin, tag, vr):
                raise NotPlain
            items, at = _items(data, begin, None, wanted, header, encoding, depth)
            if keyword:
                header.items[keyword] = items
        if not keyword:
            continue
        if vr is not None and vr != kind.encode():
            raise NotPlain
        if kind == "SQ":
            if length != _UNDEFINED:
                header.items[keyword], _ = _items(data, begin, at, wanted, header, encoding, depth)
            continue
        header.texts[keyword] = value = _text(kind, data[begin:at], encoding)
        if tag == _CHARSET:
            if depth:
                raise NotPlain
            encoding = _ENCODINGS.get(value)
    return at


def _is_sequence(data: bytes, begin: int, tag: int, vr: bytes | None) -> bool:
    """Whether an element of undefined length is a sequence."""
    if vr is not None:
        return vr == b"SQ"
    if dictionary_has_tag(tag):
        return dictionary_VR(tag) == "SQ"
    group, element, _ = _IMPLICIT.unpack_from(data, begin)
    return (group << 16 | element) == _ITEM


def _items(
    data: bytes, at: int, end: int | None, wanted: Wanted, parent: FastHeader, encoding: str | None, depth: int
) -> tuple[list[FastHeader], int]:
    """The items of a sequence that begins at `at`, and where it ended; `end` is None if its length is undefined."""
    items: list[FastHeader] = []
    while at != end:
        group, element, length = _IMPLICIT.unpack_from(data, at)
        tag, at = group << 16 | element, at + 8
        if end is None and tag == _SEQUENCE_END and not length:
            return items, at
        if tag != _ITEM:
            raise FalseLength
        if depth > _DEEPEST or len(items) == _MOST_ITEMS:
            raise NotPlain
        item = FastHeader(implicit=parent.implicit)
        items.append(item)
        stop = len(data) if length == _UNDEFINED else at + length
        if stop > (len(data) if end is None else end):
            raise FalseLength
        at = read_elements(data, at, stop, _ITEM_END, wanted, item, encoding, depth + 1)
        if length == _UNDEFINED:
            if _IMPLICIT.unpack_from(data, at) != (_ITEM_END >> 16, _ITEM_END & 0xFFFF, 0):
                raise NotPlain
            at += 8
        elif at != stop:
            raise FalseLength
    return items, at


def _text(kind: str, raw: bytes, encoding: str | None) -> str:
    """A value of one of the wanted representations as text."""
    if kind == "US":
        if len(raw) != 2:
            raise NotPlain
        return str(_NUMBER.unpack(raw)[0])
    if raw.isascii():
        text = raw.decode("ascii")
    elif kind in ("LO", "SH", "PN") and encoding:
        text = raw.decode(encoding)
    else:
        raise NotPlain
    text = text.rstrip("\0 ")
    if not text.isprintable():
        raise NotPlain
    if kind in ("LO", "SH"):
        if "\\" in text:
            text = "\\".join(part.rstrip() for part in text.split("\\"))
    elif text and (plain := _PLAIN.get(kind)) and not plain.fullmatch(text):
        raise NotPlain
    return text.strip()
