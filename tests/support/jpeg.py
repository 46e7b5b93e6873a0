"""A JPEG Extended stream of 12 bits (ISO/IEC 10918-1, process 4), which no encoder that is installed makes."""

from __future__ import annotations

import struct

import numpy as np

_BLOCK, _MIDDLE = 8, 2048
_CATEGORIES = 16  # of a difference: how many bits it takes


def flat_blocks(values: np.ndarray) -> bytes:
    """A stream whose blocks of 8 x 8 pixels have one of `values` (rows, columns), 0..4095, each.

    It holds each block's mean alone, unquantised, so that it is exact. Codes are of five bits, that of a block's end of
    one.
    """
    bits, before = [], 0
    for mean in _BLOCK * (values.astype(int).ravel() - _MIDDLE):
        difference, before = mean - before, mean
        size = int(abs(difference)).bit_length()
        bits.append(
            f"{size:05b}" + (f"{difference - (difference < 0) & (1 << size) - 1:0{size}b}" if size else "") + "0"
        )
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    data = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\0")
    rows, columns = (_BLOCK * length for length in values.shape)
    means = bytes([0] + [0] * 4 + [_CATEGORIES] + [0] * 11) + bytes(range(_CATEGORIES))
    rest = bytes([0x10] + [1] + [0] * 15) + b"\0"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xDB, b"\0" + bytes([1] * 64)),
            _segment(0xC1, struct.pack(">BHHB", 12, rows, columns, 1) + b"\1\x11\0"),
            _segment(0xC4, means),
            _segment(0xC4, rest),
            _segment(0xDA, b"\1\1\0\0\x3f\0"),
            data,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
