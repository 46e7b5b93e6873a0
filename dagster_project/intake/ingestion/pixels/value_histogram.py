"""The distinct values of an image and their pixel counts: mapping values need not process every pixel.

All steps from stored values to the stretched image map single values, and 16 bits have at most 65,536 values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dagster_project.intake.ingestion.pixels.lazy_image import LazyImage

_BLOCK = 1 << 16  # pixels at once, so that the results stay in the processor's cache


@dataclass(frozen=True)
class ValueHistogram:
    """`values` (L,) in any order, may repeat; `counts` int64 (L,) is the number of pixels with each value."""

    values: np.ndarray
    counts: np.ndarray

    def mapped(self, values: np.ndarray) -> ValueHistogram:
        """The same pixels with other values."""
        return replace(self, values=values)

    def only(self, chosen: np.ndarray) -> ValueHistogram:
        """Only the values where `chosen`, bool (L,), is true."""
        return ValueHistogram(self.values[chosen], self.counts[chosen])

    def percentiles(self, wanted: tuple[float, float]) -> np.ndarray:
        """Two percentiles (0..100) over the pixels, bit for bit equal to np.percentile."""
        order = np.argsort(self.values, kind="stable")
        upto = np.cumsum(self.counts[order])
        place = (int(upto[-1]) - 1) * (np.asarray(wanted) / 100)
        before = np.floor(place)
        low, high = (
            self.values[order[np.searchsorted(upto, np.minimum(at, upto[-1] - 1), side="right")]]
            for at in (before, before + 1)
        )
        step, share = high - low, place - before
        return np.where(share < 0.5, low + step * share, high - step * (1 - share))


def histogram_of(stored: np.ndarray) -> ValueHistogram:
    """The histogram of stored values (Rows, Columns), whole numbers of 8 or 16 bits; ascending bit patterns."""
    counts = _counts(stored)
    found = np.flatnonzero(counts)
    return ValueHistogram(found.astype(_unsigned(stored)).view(stored.dtype), counts[found])


def painted(levels: ValueHistogram, values: np.ndarray, stored: np.ndarray) -> LazyImage:
    """The image (Rows, Columns) in which each of `levels` is replaced by the corresponding one of `values`.

    `levels` is a part of `histogram_of(stored)`; all other pixels are black.
    """
    table = np.zeros(2 ** (8 * stored.itemsize), values.dtype)
    table[levels.values.view(_unsigned(stored))] = values
    return LazyImage(stored, table)


def _counts(stored: np.ndarray) -> np.ndarray:
    size = 2 ** (8 * stored.itemsize)
    counts = np.zeros(size, np.int64)
    for rows in _blocks(stored):
        found = np.bincount(stored[rows].view(_unsigned(stored)).ravel())
        counts[: len(found)] += found
    return counts


def _unsigned(stored: np.ndarray) -> str:
    return f"u{stored.itemsize}"


def _blocks(image: np.ndarray) -> Iterator[slice]:
    rows = max(1, _BLOCK // image.shape[1])
    return (slice(start, start + rows) for start in range(0, len(image), rows))
