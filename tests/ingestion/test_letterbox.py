"""Pictures brought to a size: as Pillow does it, to a rounding in single precision."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dagster_project.ingestion.letterbox import fitted

SHAPES = [(2500, 2048), (960, 125), (250, 96), (97, 1000), (65, 64), (64, 64), (3, 700), (1, 300), (1000, 1)]


@pytest.mark.parametrize("side", [64, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_is_reduced_by_averaging_just_the_pixels_that_pillow_averages(
    shape: tuple[int, int], side: int
) -> None:
    picture = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    size = [max(1, round(length * side / max(shape))) for length in shape]
    expected = Image.fromarray(picture).resize(size[::-1], Image.Resampling.BOX)
    found = fitted(picture, side)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-3)


def test_a_small_picture_is_enlarged_and_an_even_one_stays_even() -> None:
    assert fitted(np.full((30, 20), 7, np.float32), 60).shape == (60, 40)
    for shape in ((30, 20), (700, 430)):
        np.testing.assert_allclose(fitted(np.full(shape, 7, np.float32), 60), 7, rtol=1e-6)
