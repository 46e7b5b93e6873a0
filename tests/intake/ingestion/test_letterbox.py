"""Images brought to a size: as Pillow does it, to a rounding in single precision."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dagster_project.intake.ingestion.pixels.letterbox import fitted, sketched, sketched_and_fitted

SHAPES = [(2500, 2048), (960, 125), (250, 96), (97, 1000), (65, 64), (64, 64), (3, 700), (1, 300), (1000, 1)]


@pytest.mark.parametrize("side", [64, 60])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_image_is_reduced_by_averaging_just_the_pixels_that_pillow_averages(
    shape: tuple[int, int], side: int
) -> None:
    image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    size = [max(1, round(length * side / max(shape))) for length in shape]
    expected = Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX)
    found = fitted(image, side)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-3)


def test_a_small_image_is_enlarged_and_an_even_one_stays_even() -> None:
    assert fitted(np.full((30, 20), 7, np.float32), 60).shape == (60, 40)
    for shape in ((30, 20), (700, 430)):
        np.testing.assert_allclose(fitted(np.full(shape, 7, np.float32), 60), 7, rtol=1e-6)


@pytest.mark.parametrize("box", [(3, 700, 10, 200), (0, 500, 0, 430), (690, 700, 0, 430), (30, 50, 20, 30)])
def test_a_box_is_reduced_as_if_it_were_the_image(box: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(1).uniform(0, 255, (700, 430)).astype(np.float32)
    top, bottom, left, right = box
    np.testing.assert_allclose(
        fitted(image, 60, box), fitted(np.ascontiguousarray(image[top:bottom, left:right]), 60), atol=1e-4
    )


@pytest.mark.parametrize("shape", [*SHAPES, (30, 20)])
def test_a_sketch_is_off_by_one_grey_level_at_most(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    found = sketched(image, 60)
    assert found.dtype == np.uint8
    assert np.abs(found - fitted(image, 60)).max() <= 1.5


@pytest.mark.parametrize("shape", [*SHAPES, (30, 20), (100, 20_000)])
def test_a_sketch_and_a_image_made_together_are_those_made_alone(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
    sketch, small = sketched_and_fitted(image, 64, 50)
    np.testing.assert_array_equal(sketch, sketched(image, 64))
    np.testing.assert_array_equal(small, fitted(image, 50))
