"""What is worked out on levels is, bit for bit, what the same steps give pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom.dataset import FileDataset
from support.dicoms import image, radiograph

from dagster_project.intake.ingestion.batch.pixel_reader import presented
from dagster_project.intake.ingestion.pixels.contrast import stretch
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram, histogram_of, painted

WINDOW = {"WindowCenter": "2000", "WindowWidth": "1500"}
BLANKING = {"WindowCenter": "2000", "WindowWidth": "3"}


def pixel_by_pixel(ds: FileDataset, stored: np.ndarray) -> np.ndarray:
    """Rescale, linear window, inversion and stretch of whole images, as they stand in the standard and in NumPy."""
    values = stored.astype(np.float32)
    if "RescaleSlope" in ds:
        values = values * np.float32(ds.RescaleSlope) + np.float32(ds.RescaleIntercept)
    if "WindowWidth" in ds and ds.WindowWidth > 3:
        center, width = np.float32(ds.WindowCenter) - np.float32(0.5), np.float32(ds.WindowWidth) - 1
        values = np.clip((values - center) / width + np.float32(0.5), 0, 1)
    values = -values if ds.PhotometricInterpretation == "MONOCHROME1" else values
    inside = values
    for edge in (values.min(), values.max()):
        if 0.05 < (inside == edge).mean() < 0.95:
            inside = inside[inside != edge]
    low, high = np.percentile(inside, (0.5, 99.5))
    return np.clip((values - low) * (255 / (high - low)), 0, 255).astype(np.float32)


def on_its_levels(ds: FileDataset, stored: np.ndarray) -> np.ndarray:
    levels = histogram_of(stored)
    return painted(levels, stretch(presented(ds, levels, []), (0.5, 99.5)), stored)[:]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "elements", [{}, {"RescaleSlope": "-0.3", "RescaleIntercept": "7.7"}, WINDOW, BLANKING], ids=str
)
def test_the_image_is_the_one_made_pixel_by_pixel(
    elements: dict[str, str], photometric: str, kind: type[np.integer]
) -> None:
    stored = np.pad(image(3, (161, 130)), 30, constant_values=4095)
    stored = (stored >> 5).astype(kind) if kind(0).itemsize == 1 else stored.astype(kind)
    stored -= kind(100 * (np.iinfo(kind).min < 0))
    if kind(0).itemsize == 1 and elements in (WINDOW, BLANKING):
        elements = {}  # its window lies outside 8 bits
    ds = radiograph(PhotometricInterpretation=photometric, **elements)
    np.testing.assert_array_equal(on_its_levels(ds, stored), pixel_by_pixel(ds, stored))


def test_a_image_that_is_no_block_of_memory_is_read_in_its_own_order() -> None:
    stored = image(3, (300, 200))[::2, ::-1].T
    np.testing.assert_array_equal(painted(histogram_of(stored), histogram_of(stored).values, stored)[:], stored)


def test_levels_count_all_pixels() -> None:
    stored = image(1, (81, 62))
    levels = histogram_of(stored)
    for value, count in zip(levels.values, levels.counts, strict=True):
        assert count == (stored == value).sum() > 0


@given(
    arrays(np.float32, st.integers(1, 300), elements=st.floats(-1e6, 1e6, width=32)),
    st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_percentiles_are_numpys_to_the_last_bit(values: np.ndarray, wanted: tuple[float, float]) -> None:
    counts = 1 + np.arange(len(values)) % 3
    found = ValueHistogram(values, counts).percentiles(wanted)
    np.testing.assert_array_equal(found, np.percentile(np.repeat(values, counts), wanted))
