"""A turned or inverted stored image is what the ingestion makes of a turned or inverted file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.dicoms import image, radiograph, save
from support.readers import SIDE, read_pixels

from dagster_project.intake.ingestion.pixels.letterbox import centred, content_of
from dagster_project.intake.ingestion.pixels.turning import TURNS, turned


@pytest.mark.parametrize("shape", [(64, 64), (64, 41), (64, 40), (41, 64), (40, 64), (64, 1), (1, 64)])
def test_the_content_of_a_letterbox_comes_out_as_it_was_put_in(shape: tuple[int, int]) -> None:
    content = np.random.default_rng(2).integers(1, 255, shape).astype(np.uint8)
    np.testing.assert_array_equal(content_of(centred(content, 64)), content)


def test_a_black_image_is_its_own_content() -> None:
    assert content_of(np.zeros((64, 64), np.uint8)).shape == (64, 64)


def test_black_lines_at_one_end_are_content() -> None:
    content = np.full((64, 40), 9, np.uint8)
    content[:, :5] = 0
    np.testing.assert_array_equal(content_of(centred(content, 64)), content)


def test_four_quarter_turns_are_no_turn() -> None:
    square = centred(np.random.default_rng(2).integers(1, 255, (64, 41)).astype(np.uint8), 64)
    once = turned(square, 90)
    assert (once != square).any()
    np.testing.assert_array_equal(turned(turned(once, 180), 90), square)
    np.testing.assert_array_equal(turned(turned(square, 270, inverted=True), -270, inverted=True), square)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("degrees", TURNS)
def test_a_file_turned_or_with_a_wrong_polarity_is_stored_like_that(
    degrees: int, inverted: bool, tmp_path: Path
) -> None:
    pixels = image(5, (4 * SIDE, 3 * SIDE))  # reduced by a whole number, so that each pixel averages the same pixels
    clockwise = np.rot90(pixels, -degrees // 90)
    polarity = "MONOCHROME1" if inverted else "MONOCHROME2"
    usual = read_pixels(save(radiograph(5, pixels=pixels), tmp_path / "a.dcm")).image
    wrong = radiograph(5, pixels=np.ascontiguousarray(clockwise), PhotometricInterpretation=polarity)
    stored = read_pixels(save(wrong, tmp_path / "b.dcm")).image
    assert usual is not None
    assert stored is not None
    assert stored.shape == (SIDE, SIDE)
    difference = np.abs(turned(usual, degrees, inverted=inverted).astype(int) - stored)
    assert difference.max() <= 2  # the percentiles of an inverted image lie between other pixels
