"""Figures for people: written whole or not at all, the same bytes from the same drawing, montages of any number."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dagster_project.core.plotting import draw_montage, drawing, evenly


class Broken(Exception):
    pass


def test_the_same_drawing_gives_the_same_bytes_and_the_size_asked_for(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        with drawing(tmp_path / "plots" / name, width=4, height=2) as axes:
            axes.plot([0, 1], [1, 0])
    assert (tmp_path / "plots" / "a.png").read_bytes() == (tmp_path / "plots" / "b.png").read_bytes()
    assert Image.open(tmp_path / "plots" / "a.png").size == (440, 220)


def test_an_error_while_drawing_leaves_the_old_image(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with suppress(Broken), drawing(path, width=2, height=2):
        raise Broken
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("count", [0, 1, 8, 9, 20])
def test_a_montage_shows_every_image_in_rows_of_eight(count: int, tmp_path: Path) -> None:
    images = np.full((count, 32, 32), 120, np.uint8)
    draw_montage(tmp_path / "m.png", images, ["hand\n→ knee"] * count)
    image = np.asarray(Image.open(tmp_path / "m.png").convert("L")).astype(int)
    grey = (abs(image - 120) < 8).sum()
    one = (abs(_alone(tmp_path) - 120) < 8).sum()
    assert grey == pytest.approx(count * one, rel=0.06)
    assert image.shape[0] > 200 * max(-(-count // 8), 1)


def _alone(folder: Path) -> np.ndarray:
    draw_montage(folder / "one.png", np.full((1, 32, 32), 120, np.uint8), ["hand\n→ knee"])
    return np.asarray(Image.open(folder / "one.png").convert("L")).astype(int)


def test_black_stays_black_and_white_white(tmp_path: Path) -> None:
    """An image is not stretched: a dim radiograph must look dim."""
    draw_montage(tmp_path / "m.png", np.full((1, 32, 32), 60, np.uint8), [""])
    image = np.asarray(Image.open(tmp_path / "m.png").convert("L"))
    assert (image == 60).sum() > 10_000


def test_a_caption_too_few_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        draw_montage(tmp_path / "m.png", np.zeros((2, 8, 8), np.uint8), ["one"])
    assert not (tmp_path / "m.png").exists()


@given(st.integers(0, 5000), st.integers(1, 300))
def test_evenly_takes_all_or_as_many_as_allowed_from_first_to_last(count: int, most: int) -> None:
    found = evenly(count, most)
    assert len(found) == min(count, most)
    assert len(set(found)) == len(found)
    if len(found) > 1:
        assert (found[0], found[-1]) == (0, count - 1)
        assert np.ptp(np.diff(found)) <= 1
