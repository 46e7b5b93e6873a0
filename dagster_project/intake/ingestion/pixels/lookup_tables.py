"""Items of a modality or VOI LUT sequence as tables, exactly as in PS3.3 C.11.1.1.1 and C.11.2.1.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydicom.dataset import Dataset

_WORD = 2**16


@dataclass(frozen=True)
class LookupTable:
    """`entries` is float32 (N,). `firsts` are the possible input values of the first entry, the most likely first.

    There are two if the highest bit is set, because the sign depends on more than the VR and is often wrong.
    """

    entries: np.ndarray
    firsts: tuple[int, ...]

    def looked_up(self, values: np.ndarray, first: int) -> np.ndarray:
        """Values (L,) after the table; values below or above the table's range give its first or last entry."""
        return self.entries.take(np.rint(values - first).astype(np.int32), mode="clip")


def lookup_table(item: Dataset, order: Literal["<", ">"], *, signed: bool | None) -> LookupTable:
    """The table of a LUT sequence's item. `signed`: whether the input is signed, None to use the descriptor's VR.

    Raises KeyError, ValueError, IndexError or TypeError if the table is unusable.
    """
    descriptor = item["LUTDescriptor"]
    count, first, _ = (int(word) for word in words(descriptor.value, order)[:3])
    if signed is None:
        signed = descriptor.VR == "SS"
    readings = (first - _WORD, first) if signed else (first, first - _WORD)
    return LookupTable(_entries(item, order, count or _WORD), readings if first >= _WORD // 2 else (first,))


def words(value: Any, order: Literal["<", ">"]) -> np.ndarray:
    """An attribute's 16-bit numbers (signed, unsigned or bytes) as uint16 (N,); raises ValueError for larger ones."""
    if isinstance(value, bytes):
        return np.frombuffer(value + b"\0" * (len(value) % 2), f"{order}u2").astype(np.uint16)
    numbers = np.atleast_1d(np.asarray(value, np.int64))
    if numbers.size and (numbers.min() < -_WORD // 2 or numbers.max() >= _WORD):
        raise ValueError("more than 16 bits")
    return numbers.astype(np.uint16)


def _entries(item: Dataset, order: Literal["<", ">"], count: int) -> np.ndarray:
    """The entries of LUT Data, float32 (count,), always unsigned, whatever the VR is.

    The bits per entry follow from the length, as the standard advises, not from the descriptor's third value.
    """
    data = item["LUTData"]
    entries = words(data.value, order)
    if len(entries) == (count + 1) // 2 < count:  # 8-bit entries
        octets = data.value if data.VR == "OB" else entries.astype("<u2").tobytes()  # two per word, low byte first
        entries = np.frombuffer(octets, np.uint8)
    if len(entries) < count:
        raise ValueError("less data than entries")
    return entries[:count].astype(np.float32)
