"""A header as nearly all are written, read straight from a file's first bytes, several times as fast as by pydicom.

It gives what pydicom would give, or nothing: whatever is not as plain as can be (order, lengths, characters, numbers)
is left to pydicom and the checks around it. Tests read good and damaged files in both ways and compare.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from struct import Struct
from struct import error as StructError

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLETransferSyntaxes,
)

from dagster_project.ingestion.opening import open_regular

_START = 1 << 16  # bytes: where a header goes on beyond, its pixel data are not found
_BEGINNINGS = b"DICM\2\0\0\0UL\4\0", b"DICM\2\0\1\0OB\0\0"  # with the meta information's length, or its version
_META = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
_SYNTAXES = {
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, *JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes),
    *(*JPEG2000TransferSyntaxes, *RLETransferSyntaxes),
}
_ENCODINGS = {"ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}  # of all others ASCII alone is read here
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 7.1.2: with a length of 32 bits
_EXPLICIT, _IMPLICIT, _LENGTH, _NUMBER = Struct("<HH2sH"), Struct("<HHL"), Struct("<L"), Struct("<H")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHARSET, _FIRST_OF_DATA, _PIXEL_DATA = 0x00080005, 0x00030000, 0x7FE00010
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


class _Odd(Exception):
    """Not plain."""


@dataclass(slots=True)
class PlainHeader:
    """Attributes by keyword, as `elements.text` gives them; `items` are those of sequences, in order."""

    texts: dict[str, str] = field(default_factory=dict)
    items: dict[str, list[PlainHeader]] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    implicit: bool = False
    preamble: bytes = b""

    @property
    def file_meta(self) -> PlainHeader:
        """The file meta information."""
        return PlainHeader(self.meta)

    @property
    def original_encoding(self) -> tuple[bool, bool]:
        """Whether the value representations are implicit, and that the byte order is little-endian."""
        return self.implicit, True

    def get(self, keyword: str) -> list[PlainHeader] | None:
        """A sequence's items; None if it is not there."""
        return self.items.get(keyword)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.items or keyword in self.texts


@cache
def wanted_tags(keywords: tuple[str, ...]) -> Wanted:
    """What to look for, for these attributes."""
    tags = {keyword: tag_for_keyword(keyword) for keyword in keywords}
    return {tag: (keyword, dictionary_VR(tag)) for keyword, tag in tags.items() if tag is not None}


def plain_header(path: Path, keywords: tuple[str, ...]) -> PlainHeader | None:
    """The attributes of a file that stand before its pixel data, or None if its header is not plain.

    Those of `keywords` are looked for in sequences too. Raises OSError, or RefusedFile `special_file`.
    """
    with open_regular(path) as file:
        data = file.read(_START)
    if not data.startswith(_BEGINNINGS, 128):
        return None
    header, meta = PlainHeader(preamble=data[:128]), PlainHeader()
    try:
        begin = _read(data, 132, len(data), _FIRST_OF_DATA, wanted_tags(_META), meta, None, 0)
        syntax = meta.texts.get("TransferSyntaxUID")
        if syntax not in _SYNTAXES:
            return None
        header.meta, header.implicit = meta.texts, syntax == ImplicitVRLittleEndian
        end = _read(data, begin, len(data), _PIXEL_DATA, wanted_tags(keywords), header, None, 0)
    except (_Odd, StructError, UnicodeDecodeError):
        return None
    return header if end + 12 <= len(data) else None  # as much of the pixel data's element as pydicom reads


def _read(
    data: bytes, at: int, end: int, limit: int, wanted: Wanted, header: PlainHeader, encoding: str | None, depth: int
) -> int:
    """Read elements from `at` to `end`, or to the first whose tag is `limit` or more, into `header`; where it ended."""
    implicit, last = header.implicit, 0
    while at != end:
        vr: bytes | None = None
        if implicit:
            group, element, length = _IMPLICIT.unpack_from(data, at)
            begin = at + 8
        else:
            group, element, vr, length = _EXPLICIT.unpack_from(data, at)
            begin = at + 8
        tag = group << 16 | element
        if tag >= limit:
            return at
        if vr in _LONG:
            (length,) = _LENGTH.unpack_from(data, begin)
            begin += 4
        elif not implicit and vr not in _SHORT:
            raise _Odd
        at = begin + length
        if tag <= last or (at > end and length != _UNDEFINED):
            raise _Odd
        last = tag
        keyword, kind = wanted.get(tag, ("", ""))
        if length == _UNDEFINED:
            if not _is_sequence(data, begin, tag, vr):
                raise _Odd
            items, at = _items(data, begin, None, wanted, header, encoding, depth)
            if keyword:
                header.items[keyword] = items
        if not keyword:
            continue
        if vr is not None and vr != kind.encode():
            raise _Odd
        if kind == "SQ":
            if length != _UNDEFINED:
                header.items[keyword], _ = _items(data, begin, at, wanted, header, encoding, depth)
            continue
        header.texts[keyword] = value = _text(kind, data[begin:at], encoding)
        if tag == _CHARSET:
            if depth:
                raise _Odd
            encoding = _ENCODINGS.get(value)
    return at


def _is_sequence(data: bytes, begin: int, tag: int, vr: bytes | None) -> bool:
    """Whether an element of undefined length is one."""
    if vr is not None:
        return vr == b"SQ"
    if dictionary_has_tag(tag):
        return dictionary_VR(tag) == "SQ"
    group, element, _ = _IMPLICIT.unpack_from(data, begin)
    return (group << 16 | element) == _ITEM


def _items(
    data: bytes, at: int, end: int | None, wanted: Wanted, parent: PlainHeader, encoding: str | None, depth: int
) -> tuple[list[PlainHeader], int]:
    """The items of a sequence that begins at `at`, and where it ended; `end` is None if its length is undefined."""
    items: list[PlainHeader] = []
    while at != end:
        group, element, length = _IMPLICIT.unpack_from(data, at)
        tag, at = group << 16 | element, at + 8
        if end is None and tag == _SEQUENCE_END and not length:
            return items, at
        if tag != _ITEM or depth > _DEEPEST or len(items) == _MOST_ITEMS:
            raise _Odd
        item = PlainHeader(implicit=parent.implicit)
        items.append(item)
        stop = len(data) if length == _UNDEFINED else at + length
        if stop > (len(data) if end is None else end):
            raise _Odd
        at = _read(data, at, stop, _ITEM_END, wanted, item, encoding, depth + 1)
        if length == _UNDEFINED:
            if _IMPLICIT.unpack_from(data, at) != (_ITEM_END >> 16, _ITEM_END & 0xFFFF, 0):
                raise _Odd
            at += 8
        elif at != stop:
            raise _Odd
    return items, at


def _text(kind: str, raw: bytes, encoding: str | None) -> str:
    """A value of one of the representations that are wanted, as text."""
    if kind == "US":
        if len(raw) != 2:
            raise _Odd
        return str(_NUMBER.unpack(raw)[0])
    if raw.isascii():
        text = raw.decode("ascii")
    elif kind in ("LO", "SH", "PN") and encoding:
        text = raw.decode(encoding)
    else:
        raise _Odd
    text = text.rstrip("\0 ")
    if not text.isprintable():
        raise _Odd
    if kind in ("LO", "SH"):
        if "\\" in text:
            text = "\\".join(part.rstrip() for part in text.split("\\"))
    elif text and (plain := _PLAIN.get(kind)) and not plain.fullmatch(text):
        raise _Odd
    return text.strip()
