"""Stretch displayed values of any range to 0..255, and measure the share of grey pixels (not black or white)."""

from __future__ import annotations

import numpy as np

from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram

_FLAT = 0.05  # share of pixels at the lowest or highest value above which they count as border, not image
_USUAL = 0.5, 99.5


def stretch(shown: ValueHistogram, percentiles: tuple[float, float]) -> np.ndarray:
    """Values (L,) stretched between two percentiles of the pixels to 0..255, float32.

    Pixels at the lowest or highest value count as collimator or border, not as image, if there are many of them.
    Raises RefusedFile if every pixel has the same value.
    """
    bottom, top = _limits(shown, percentiles)
    if bottom == top:
        raise RefusedFile("constant")
    return np.clip((shown.values - bottom) * (255 / (top - bottom)), 0, 255).astype(np.float32)


def grey_share(shown: ValueHistogram) -> float:
    """The share of pixels, in 0..1, that are neither black nor white after a stretch between the usual percentiles."""
    bottom, top = _limits(shown, _USUAL)
    return float(shown.counts[(shown.values > bottom) & (shown.values < top)].sum() / shown.counts.sum())


def _limits(shown: ValueHistogram, percentiles: tuple[float, float]) -> tuple[np.floating, np.floating]:
    """The values that become black and white; they are equal only if every pixel has the same value."""
    low, high = shown.values.min(), shown.values.max()
    inside = shown
    for edge in (low, high):
        at_edge = inside.values == edge
        if _FLAT < inside.counts[at_edge].sum() / inside.counts.sum() < 1 - _FLAT:
            inside = inside.only(~at_edge)
    bottom, top = inside.percentiles(percentiles)
    return (bottom, top) if bottom < top else (low, high)
