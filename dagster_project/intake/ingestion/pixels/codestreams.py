"""Checks on compressed pixel data before decoding, for errors that decoders do not detect."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import ceil

from dagster_project.intake.ingestion.headers.reasons import RefusedFile

_START = b"\xff\x4f\xff\x51"  # start of codestream, image and tile size
_TILE_PART = 0xFF90
_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"
_MOST_TILES = 65535
_FRAME_HEADERS = {*range(0xFFC0, 0xFFD0)} - {0xFFC4, 0xFFC8, 0xFFCC}  # without the code tables and an extension
_SCAN, _LOSSLESS = 0xFFDA, 0xFFC3


@dataclass(frozen=True)
class JpegFrame:
    """The frame header of a JPEG stream: process (SOF marker), bits per sample, rows, columns, samples per pixel."""

    process: int
    precision: int
    rows: int
    columns: int
    components: int


def jpeg_frame(stream: bytes) -> JpegFrame:
    """The frame header of a JPEG stream (ISO/IEC 10918-1, B.2.2), searched from marker to marker.

    Raises RefusedFile `decoder_error` or struct.error if there is none, `pixels_short` if the stream has no end.
    """
    if not stream.startswith(_BEGIN):
        raise RefusedFile("decoder_error")
    if _END not in stream:
        raise RefusedFile("pixels_short")
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker in _FRAME_HEADERS:
            return JpegFrame(marker, *struct.unpack_from(">BHHB", stream, position + 4))
        if marker >> 8 != 0xFF or marker == _SCAN:
            raise RefusedFile("decoder_error")
        position += 2 + length


def check_jpeg(frame: bytes, *, lossless: bool) -> None:
    """Refuse a lossless JPEG stream in a lossy transfer syntax, or the other way round (PS3.5 8.2.1).

    Anything that is not a JPEG stream is left to the decoder. Raises RefusedFile `syntax_mismatch`.
    """
    try:
        process = jpeg_frame(frame).process
    except (RefusedFile, struct.error):
        return
    if (process == _LOSSLESS) != lossless:
        raise RefusedFile("syntax_mismatch")


def check_jpeg_ls(frame: bytes) -> None:
    """Refuse data that do not begin as a JPEG-LS stream, and a stream without an end, which CharLS reads for seconds.

    The end marker cannot occur within compressed data (ISO/IEC 14495-1, A.1).
    Raises RefusedFile `decoder_error` or `pixels_short`.
    """
    if not frame.startswith(_BEGIN):
        raise RefusedFile("decoder_error")
    if _END not in frame:
        raise RefusedFile("pixels_short")


def check_jpeg2000(frame: bytes, shape: tuple[int, int]) -> None:
    """Refuse a codestream with another size than `shape` (rows, columns), or with missing tiles.

    The decoder allocates any size in the codestream, and leaves missing tiles dark without an error.
    Source: ISO/IEC 15444-1, Annex A.
    Raises RefusedFile `decoder_error` or `pixels_short`; struct.error if the codestream ends within its header.
    """
    start = frame.find(_START)
    if start < 0:
        raise RefusedFile("decoder_error")
    width, height, left, top, tile_width, tile_height, tile_left, tile_top = struct.unpack_from(">8I", frame, start + 8)
    if (height - top, width - left) != shape or not tile_width or not tile_height:
        raise RefusedFile("decoder_error")
    tiles = ceil((width - tile_left) / tile_width) * ceil((height - tile_top) / tile_height)
    if not 0 < tiles <= _MOST_TILES:
        raise RefusedFile("decoder_error")
    if len(_tiles_found(frame, start + 2)) < tiles:
        raise RefusedFile("pixels_short")


def _tiles_found(frame: bytes, position: int) -> set[int]:
    """The numbers of the tiles with at least one part, read from marker to marker."""
    found: set[int] = set()
    while position + 12 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, position)
        if marker != _TILE_PART:
            if found or marker >> 8 != 0xFF:
                break
            position += 2 + length
            continue
        tile, bytes_of_part = struct.unpack_from(">HI", frame, position + 4)
        found.add(tile)
        if not bytes_of_part:  # the last part, up to the end
            break
        position += bytes_of_part
    return found
