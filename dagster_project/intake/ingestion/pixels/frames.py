"""The one frame of compressed pixel data (PS3.5 A.4)."""

from __future__ import annotations

import struct
from io import BytesIO

from pydicom.encaps import generate_fragments, parse_basic_offsets, parse_fragments

from dagster_project.intake.ingestion.headers.reasons import RefusedFile

_BEGINNINGS = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  "  # JPEG and JPEG-LS, JPEG 2000, JPEG 2000 file format
_FIRST_SEGMENT = 64  # bytes: start of the first RLE segment, after the header (PS3.5 G.5)
_MOST_SEGMENTS = 15


def only_frame(data: bytes, warned: list[str]) -> bytes:
    """All fragments joined, as one frame, whatever an offset table says.

    Appends `false_length` to `warned` if the last fragment is shorter than the length of its item.
    Raises RefusedFile `decoder_error` if there are several frames; ValueError or struct.error if there are no items.
    """
    buffer = BytesIO(data)
    parse_basic_offsets(buffer)
    count, places = parse_fragments(buffer)
    fragments = list(generate_fragments(buffer))
    if not count or sum(map(_begins, fragments)) > 1:
        raise RefusedFile("decoder_error")
    (stated,) = struct.unpack_from("<L", data, places[-1] + 4)
    if len(fragments[-1]) < stated:
        warned.append("false_length")
    return b"".join(fragments)


def _begins(fragment: bytes) -> bool:
    """Whether a frame begins with this fragment; these markers cannot occur inside compressed data."""
    if fragment.startswith(_BEGINNINGS):
        return True
    if len(fragment) < _FIRST_SEGMENT:
        return False
    segments, first = struct.unpack_from("<LL", fragment)
    return 0 < segments <= _MOST_SEGMENTS and first == _FIRST_SEGMENT
