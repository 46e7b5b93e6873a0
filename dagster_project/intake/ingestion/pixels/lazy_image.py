"""Images that are computed on demand, some rows at a time: a whole float32 image is twice the stored size.

Writing and reading memory once takes longer than the computation; some rows fit into the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Box = tuple[int, int, int, int]  # top, bottom, left, right; bottom and right are exclusive
Place = slice | tuple[slice, slice]  # rows, or rows and columns; without a step


class GreyImage(Protocol):
    """The interface of an image (Rows, Columns) in 0..255: its shape, and parts as float32. Arrays have it too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, Columns."""
        ...

    def __getitem__(self, place: Place, /) -> np.ndarray: ...


@dataclass(frozen=True)
class LazyImage:
    """`stored` (Rows, Columns) are whole numbers of 8 or 16 bits; `table` has the grey value of each bit pattern."""

    stored: np.ndarray
    table: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, Columns."""
        return self.stored.shape

    def __getitem__(self, place: Place, /) -> np.ndarray:
        patterns = self.stored[place].view(f"u{self.stored.itemsize}")
        # Arrow uses 16-bit indices directly, numpy converts them to 64 bits first; Arrow's own pool would reserve 1 GB.
        looked_up = pc.take(self._arrow, pa.array(patterns.ravel()), boundscheck=False, memory_pool=_POOL)
        return looked_up.to_numpy().reshape(patterns.shape)

    @cached_property
    def _arrow(self) -> pa.Array:
        return pa.array(self.table)


@dataclass(frozen=True)
class Covered:
    """An image with covered boxes, each in one grey level; later boxes cover earlier ones."""

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
