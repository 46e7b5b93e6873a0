"""DICOM files byte by byte, for what pydicom will not write."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from support.dicoms import radiograph, save

_LONG = {"OB", "OW", "SQ", "UN", "UT", "OF"}
_START = 132  # of the file meta information
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = (struct.pack("<HHI", 0xFFFE, e, 0) for e in (0xE000, 0xE00D, 0xE0DD))
OPEN_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)


def tag_of(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """An explicit little endian element; `length` may lie."""
    count = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (struct.pack("<HI", 0, count) if vr in _LONG else struct.pack("<H", count)) + value


def spliced(raw: bytes, tag: int, new: bytes) -> bytes:
    """An explicit little endian file with the element `tag` replaced by `new`, or `new` put in its place."""
    position = _START
    while position < len(raw):
        group, number, vr = struct.unpack_from("<HH2s", raw, position)
        wide = vr.decode("latin-1") in _LONG
        (length,) = struct.unpack_from("<I" if wide else "<H", raw, position + (8 if wide else 6))
        end = position + (12 if wide else 8) + length
        found = group << 16 | number
        if found >= tag:
            return raw[:position] + new + raw[end if found == tag else position :]
        position = end
    return raw + new


def with_value(path: Path, keyword: str, vr: str, value: bytes) -> Path:
    """Write a radiograph whose `keyword` holds just these bytes under this VR."""
    raw = save(radiograph(), path).read_bytes()
    path.write_bytes(spliced(raw, tag_of(keyword), element(tag_of(keyword), vr, value)))
    return path


def nested(depth: int, *, defined: bool, tag: int = 0x00400275, vr: str = "SQ") -> bytes:
    """`depth` sequences within each other, of defined or undefined length; RequestAttributesSequence without `tag`."""
    content = b""
    for _ in range(depth):
        if defined:
            content = element(tag, vr, ITEM[:4] + struct.pack("<I", len(content)) + content)
        else:
            content = element(tag, vr, OPEN_ITEM + content + ITEM_END + SEQUENCE_END, UNDEFINED)
    return content


def deflated(ds: Dataset, path: Path, more: bytes = b"") -> Path:
    """Write `ds` with Deflated Explicit VR Little Endian, and `more` elements after its own."""
    raw = save(ds, path).read_bytes()
    (length,) = struct.unpack_from("<I", raw, _START + 8)
    body = _START + 12 + length
    meta = raw[_START + 12 : body].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(raw[body:] + more) + packer.flush()
    path.write_bytes(raw[:_START] + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + packed)
    return path
