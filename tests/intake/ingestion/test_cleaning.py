"""Borders and burned-in marks go; anatomy, and images without either, stay bit by bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset
from support.archive import smooth_image
from support.dicoms import radiograph, save
from support.readers import read_pixels

from dagster_project.intake.ingestion.cleaning.cleaning import (
    Cleaned,
    clean,
    content_box,
    declared_field,
    without_marks,
)
from dagster_project.intake.ingestion.pixels.letterbox import fitted

SIDE = 128
SLOWLY_AT_FIRST = settings(deadline=None)  # the networks that find text are loaded at the first


def limb(seed: int = 0, rows: int = 300, columns: int = 240) -> np.ndarray:
    """A bright, textured limb across a dark, even ground, as float32 in 0..255; it leaves the image at both ends."""
    y, x = np.mgrid[0:rows, 0:columns]
    rng = np.random.default_rng(seed)
    axis = columns * (0.5 + 0.06 * np.sin(y / rows * 6 + rng.uniform(0, 6)))
    thick = np.clip(1 - ((x - axis) / (0.2 * columns)) ** 2, 0, None) ** 0.5
    bone = np.clip(1 - ((x - axis) / (0.07 * columns)) ** 2, 0, None) ** 0.5
    drawn = 30 + 90 * thick + 120 * bone + rng.normal(0, 2, (rows, columns))
    return drawn.clip(0, 255).astype(np.float32)


def with_letter(image: np.ndarray, at: tuple[int, int], size: int = 24, level: int = 255) -> np.ndarray:
    page = Image.fromarray(image)
    ImageDraw.Draw(page).text(at, "R", fill=level, font=ImageFont.load_default(size), stroke_width=1)
    return np.asarray(page)


def cleaned(image: np.ndarray) -> Cleaned:
    return clean(image, None, SIDE)


@pytest.mark.slow
@SLOWLY_AT_FIRST
@given(seed=st.integers(0, 10_000), side=st.integers(40, 200), low=st.integers(0, 120), high=st.integers(140, 255))
def test_a_image_without_margins_or_marks_stays_bit_by_bit(seed: int, side: int, low: int, high: int) -> None:
    values = smooth_image(seed, side).astype(np.float32)
    image = low + values * ((high - low) / 255)
    found = cleaned(image.astype(np.float32))
    np.testing.assert_array_equal(found.image, fitted(image.astype(np.float32), SIDE))
    assert (found.cropped, found.blanked) == (0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_a_limb_on_a_dark_ground_stays_bit_by_bit(seed: int) -> None:
    np.testing.assert_array_equal(cleaned(limb(seed)).image, fitted(limb(seed), SIDE))


@given(
    margins=st.tuples(*[st.integers(0, 60)] * 4),
    level=st.sampled_from([0.0, 4.0, 252.0, 255.0]),
    seed=st.integers(0, 9),
)
def test_black_and_white_margins_go_and_nothing_else(margins: tuple[int, ...], level: float, seed: int) -> None:
    top, bottom, left, right = margins
    inside = limb(seed)
    inside[::40] += 20  # no line is even
    inside[:, ::40] += 20
    framed = np.pad(inside.clip(0, 255), ((top, bottom), (left, right)), constant_values=level)
    box = content_box(framed, (0, framed.shape[0], 0, framed.shape[1]))
    assert box == (top, top + inside.shape[0], left, left + inside.shape[1])


def test_a_border_in_a_frame_goes_too_and_the_anatomy_fills_the_square() -> None:
    framed = np.pad(np.pad(limb(), 50, constant_values=0), 12, constant_values=255)
    framed += np.random.default_rng(0).uniform(0, 3, framed.shape).astype(np.float32)
    found = cleaned(framed.clip(0, 255))
    assert found.cropped == pytest.approx(1 - limb().size / framed.size, abs=0.05)
    assert found.image[3].max() > 100  # cut to the pixel of the reduced image
    assert found.image[-4].max() > 100


@pytest.mark.slow
@SLOWLY_AT_FIRST
@given(rows=st.integers(1, 60), columns=st.integers(1, 400), seed=st.integers(0, 99))
def test_a_image_of_any_shape_is_cleaned(rows: int, columns: int, seed: int) -> None:
    image = np.random.default_rng(seed).choice([0, 255], (rows, columns)).astype(np.float32)
    found = cleaned(image)
    assert max(found.image.shape) == SIDE
    assert 0 <= found.cropped < 1
    assert 0 <= found.blanked <= 0.04


def test_a_image_that_is_nearly_all_margin_is_not_cut() -> None:
    small = np.zeros((200, 200), np.float32)
    small[90:110, 90:110] = 200
    assert cleaned(small).cropped == 0
    assert cleaned(np.zeros((50, 50), np.float32)).cropped == 0


@pytest.mark.parametrize("at", [(8, 8), (200, 10), (8, 260), (205, 255)])
def test_a_letter_that_stands_alone_near_a_margin_goes(at: tuple[int, int]) -> None:
    marked = with_letter(limb(), at)
    found = cleaned(marked)
    assert 0 < found.blanked < 0.02
    assert np.abs(found.image - fitted(limb(), SIDE)).max() < 15


def test_a_dark_letter_on_a_white_ground_goes() -> None:
    marked = with_letter(255 - limb(), (8, 8), level=0)
    assert cleaned(marked).blanked > 0
    assert np.abs(cleaned(marked).image - fitted(255 - limb(), SIDE)).max() < 15


@pytest.mark.parametrize(
    "image",
    [
        with_letter(limb(), (110, 140)),  # on the limb
        with_letter(limb(), (8, 8), level=180),  # not saturated
        with_letter(limb(), (8, 8), size=120),  # large
        with_letter(limb().clip(0, 100) * 0 + smooth_image(3, 300)[:, :240].astype(np.float32), (8, 8)),  # no ground
    ],
    ids=["on anatomy", "grey", "large", "on uneven ground"],
)
def test_what_may_be_anatomy_stays(image: np.ndarray) -> None:
    assert cleaned(image).blanked == 0


def test_where_much_would_be_blanked_nothing_is() -> None:
    page = limb()
    for y in range(4, 290, 22):
        for x in (4, 26, 48, 190, 212):
            page = with_letter(page, (x, y), size=22)
    kept, share = without_marks(fitted(page, SIDE))
    assert share == 0
    np.testing.assert_array_equal(kept, fitted(page, SIDE))


def test_the_letter_in_the_border_does_not_hold_the_border() -> None:
    framed = with_letter(np.pad(limb(), 60, constant_values=0), (10, 10))
    assert cleaned(framed).cropped == pytest.approx(1 - limb().size / framed.size, abs=0.04)


def test_cleaning_is_deterministic_and_leaves_what_it_is_given() -> None:
    marked = with_letter(np.pad(limb(), 40, constant_values=0), (10, 10))
    before = marked.copy()
    np.testing.assert_array_equal(cleaned(marked).image, cleaned(marked).image)
    np.testing.assert_array_equal(marked, before)


def collimated(kind: str = "Collimator", **edges: int) -> Dataset:
    ds = Dataset()
    ds.Rows, ds.Columns = 300, 240
    setattr(ds, f"{kind}Shape", "RECTANGULAR")
    usual = {"UpperHorizontal": 31, "LowerHorizontal": 270, "LeftVertical": 21, "RightVertical": 220}
    for name, edge in {**usual, **edges}.items():
        setattr(ds, f"{kind}{name}Edge", edge)
    return ds


@pytest.mark.parametrize("kind", ["Collimator", "Shutter"])
def test_a_declared_field_is_read(kind: str) -> None:
    assert declared_field(collimated(kind)) == (30, 270, 20, 220)
    assert declared_field(Dataset()) is None
    assert declared_field(collimated(kind, LowerHorizontal=301)) is None
    assert declared_field(collimated(kind, LeftVertical=0)) is None


def test_a_declared_edge_counts_only_if_nothing_lies_beyond() -> None:
    grey = np.pad(limb(rows=240, columns=200), ((30, 30), (20, 20)), constant_values=60)  # scatter: no black margin
    assert cleaned(grey).cropped == 0
    found = clean(grey, (30, 270, 20, 220), SIDE)
    assert found.cropped == pytest.approx(1 - 240 * 200 / grey.size, abs=0.04)
    assert clean(limb(), (100, 300, 0, 240), SIDE).cropped == 0, "the limb goes on beyond that edge"


def test_an_ingested_file_tells_its_shares(tmp_path: Path) -> None:
    pixels = np.pad((limb() * 16).astype(np.uint16), 60)
    found = read_pixels(save(radiograph(pixels=pixels), tmp_path / "a.dcm"))
    assert found.cropped > 1 - limb().size / pixels.size - 0.05
    assert found.blanked == 0
    assert found.image is not None
    assert found.image[[0, -1]].max(axis=1).min() > 150, "the limb reaches from edge to edge"
