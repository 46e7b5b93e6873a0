"""Images that are made as they are asked for, rows by rows: whole and in float32 one is twice what is stored.

Memory that is written once and read once takes longer than the sums; rows at a time stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Box = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are the first beyond
Place = slice | tuple[slice, slice]  # rows, or rows and columns; none skipped


class GreyImage(Protocol):
    """What is asked of an image (Rows, Columns) in 0..255: its shape, and parts of it as float32. Arrays are such."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, Columns."""
        ...

    def __getitem__(self, place: Place, /) -> np.ndarray: ...


@dataclass(frozen=True)
class LazyImage:
    """`stored` (Rows, Columns) are whole numbers of 8 or 16 bits; `table` says what each bit pattern shows."""

    stored: np.ndarray
    table: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, Columns."""
        return self.stored.shape

    def __getitem__(self, place: Place, /) -> np.ndarray:
        patterns = self.stored[place].view(f"u{self.stored.itemsize}")
        # Arrow looks up by 16 bits as they are, where numpy makes 64 of them first; its own pool would reserve a GB
        looked_up = pc.take(self._arrow, pa.array(patterns.ravel()), boundscheck=False, memory_pool=_POOL)
        return looked_up.to_numpy().reshape(patterns.shape)

    @cached_property
    def _arrow(self) -> pa.Array:
        return pa.array(self.table)


@dataclass(frozen=True)
class Covered:
    """An image with boxes of it in one level each, later ones over earlier."""

    image: GreyImage
    covers: Sequence[tuple[Box, float]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, Columns."""
        return self.image.shape

    def __getitem__(self, place: Place, /) -> np.ndarray:
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        part = self.image[rows, columns].copy()
        above, beside = rows.indices(self.shape[0])[0], columns.indices(self.shape[1])[0]
        for (top, bottom, left, right), level in self.covers:
            inside = (max(edge, 0) for edge in (top - above, bottom - above, left - beside, right - beside))
            top, bottom, left, right = inside
            part[top:bottom, left:right] = level
        return part


_POOL = pa.system_memory_pool()
