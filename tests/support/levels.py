"""Whole images through what works on their levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dagster_project.intake.ingestion.pixels.contrast import stretch
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram


def on_levels(image: np.ndarray, step: Callable[[ValueHistogram], ValueHistogram | np.ndarray]) -> np.ndarray:
    """What `step` makes of an image (rows, columns) of any numbers."""
    values, places, counts = np.unique(image, return_inverse=True, return_counts=True)
    places = places.reshape(image.shape)
    found = step(ValueHistogram(values, counts))
    return (found.values if isinstance(found, ValueHistogram) else found)[places]


def stretched(image: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """An image (rows, columns) stretched between two percentiles."""
    return on_levels(image, lambda levels: stretch(levels, percentiles))
