"""Items of a modality or VOI LUT sequence as tables, bit by bit as PS3.3 C.11.1.1.1 and C.11.2.1.1 say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydicom.dataset import Dataset

_WORD = 2**16


@dataclass(frozen=True)
class LookupTable:
    """`entries` float32 (N,), and what value the first is for: `firsts` are the readings of it, the likeliest first.

    Two where its highest bit is set, since whether it has a sign depends on more than its VR, and is often wrong.
    """

    entries: np.ndarray
    firsts: tuple[int, ...]

    def looked_up(self, values: np.ndarray, first: int) -> np.ndarray:
        """Values (L,) through the table: below its first mapped value its first entry, beyond its last the last."""
        return self.entries.take(np.rint(values - first).astype(np.int32), mode="clip")


def lookup_table(item: Dataset, order: Literal["<", ">"], *, signed: bool | None) -> LookupTable:
    """The table of a LUT sequence's item. `signed`: whether its input is, None if the descriptor's VR says so.

    Raises KeyError, ValueError, IndexError or TypeError if it is unusable.
    """
    descriptor = item["LUTDescriptor"]
    count, first, _ = (int(word) for word in words(descriptor.value, order)[:3])
    if signed is None:
        signed = descriptor.VR == "SS"
    readings = (first - _WORD, first) if signed else (first, first - _WORD)
    return LookupTable(_entries(item, order, count or _WORD), readings if first >= _WORD // 2 else (first,))


def words(value: Any, order: Literal["<", ">"]) -> np.ndarray:
    """An attribute's numbers of 16 bits as uint16 (N,), with or without a sign, or in bytes; raises ValueError."""
    if isinstance(value, bytes):
        return np.frombuffer(value + b"\0" * (len(value) % 2), f"{order}u2").astype(np.uint16)
    numbers = np.atleast_1d(np.asarray(value, np.int64))
    if numbers.size and (numbers.min() < -_WORD // 2 or numbers.max() >= _WORD):
        raise ValueError("more than 16 bits")
    return numbers.astype(np.uint16)


def _entries(item: Dataset, order: Literal["<", ">"], count: int) -> np.ndarray:
    """LUT Data's entries, float32 (count,): they have no sign, whatever its VR is.

    How many bits an entry takes is told by the length, as the standard advises, not by the descriptor's third value.
    """
    data = item["LUTData"]
    entries = words(data.value, order)
    if len(entries) == (count + 1) // 2 < count:  # of 8 bits
        octets = data.value if data.VR == "OB" else entries.astype("<u2").tobytes()  # two in a word, the low one first
        entries = np.frombuffer(octets, np.uint8)
    if len(entries) < count:
        raise ValueError("less data than entries")
    return entries[:count].astype(np.float32)
