"""Pixels that the header declares as padding: black, in no stretch and no check of a window, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from support.dicoms import image, radiograph, save
from support.levels import stretched

from dagster_project.intake.ingestion.batch.pixel_reader import displayed
from dagster_project.intake.ingestion.headers.elements import open_dataset
from dagster_project.intake.ingestion.pixels.decoding import decode

ROWS, COLUMNS = np.mgrid[0:80, 0:60]
CORNER = (ROWS + COLUMNS < 12) | (ROWS + COLUMNS > 126)  # 3 %, as after a rotation
ANATOMY = 2400 + image(4).astype(int) // 4
PERCENTILES = (0.5, 99.5)


def padded(value: int, anatomy: np.ndarray = ANATOMY, **elements: Any) -> FileDataset:
    """A radiograph with `value` in two corners."""
    return radiograph(pixels=np.where(CORNER, value, anatomy).astype(np.int32), **elements)


def shown(ds: FileDataset) -> tuple[np.ndarray, list[str]]:
    warned: list[str] = []
    return displayed(ds, decode(ds, warned), PERCENTILES, warned)[:], warned


def alone(anatomy: np.ndarray = ANATOMY) -> np.ndarray:
    """The anatomy as it is stretched without the corners."""
    return stretched(anatomy[~CORNER].astype(np.float32)[None], PERCENTILES)[0]


def saved(ds: FileDataset, path: Path, syntax: str, vr: str) -> FileDataset:
    """Written and read again, the padding value under `vr` where that is written out."""
    ds["PixelPaddingValue"].VR = vr
    ds.file_meta.TransferSyntaxUID = syntax
    return open_dataset(save(ds, path), [])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("value", [0, 4095])
def test_padding_is_black_and_the_anatomy_takes_the_whole_range(value: int, photometric: str) -> None:
    found, warned = shown(padded(value, PixelPaddingValue=value, PhotometricInterpretation=photometric))
    expected = alone() if photometric == "MONOCHROME2" else alone(4095 - ANATOMY)
    np.testing.assert_allclose(found[~CORNER], expected, atol=1e-3)
    assert (found[CORNER] == 0).all()
    assert warned == ["padding_masked"]


@pytest.mark.parametrize(("value", "limit"), [(0, 100), (100, 0)])
def test_a_range_of_padding_may_be_turned(value: int, limit: int) -> None:
    ds = padded(50, PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    found, warned = shown(ds)
    np.testing.assert_allclose(found[~CORNER], alone(), atol=1e-3)
    assert warned == ["padding_masked"]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=["implicit", "explicit"])
@pytest.mark.parametrize("vr", ["US", "SS"])
@pytest.mark.parametrize(
    ("value", "bits", "written"),
    [(-2000, 12, -2000), (-2048, 12, 0x800), (-32768, 16, -32768), (60000, 16, 60000)],
    ids=["signed", "signed, without the sign extended", "lowest", "unsigned"],
)
def test_padding_is_signed_just_if_the_pixels_are(
    value: int, bits: int, written: int, vr: str, syntax: str, tmp_path: Path
) -> None:
    anatomy = ANATOMY if value > 0 else ANATOMY - 2000
    signed = {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(value < 0)}
    pattern = written % 2**16
    ds = padded(value, anatomy, **signed)
    ds.add_new("PixelPaddingValue", vr, pattern - 2**16 * (vr == "SS" and pattern >= 2**15))
    found, warned = shown(saved(ds, tmp_path / "a.dcm", syntax, vr))
    np.testing.assert_allclose(found[~CORNER], alone(anatomy), atol=1e-3)
    assert (found[CORNER] == 0).all()
    assert warned == ["padding_masked"]


def test_padding_is_looked_for_before_the_rescale() -> None:
    ds = padded(0, PixelPaddingValue=0, RescaleSlope="-1", RescaleIntercept="4095")
    found, warned = shown(ds)
    np.testing.assert_allclose(found[~CORNER], alone(4095 - ANATOMY), atol=1e-3)
    assert (found[CORNER] == 0).all()
    assert warned == ["padding_masked", "rescaled"]


def test_a_window_that_shows_nothing_but_padding_is_left_out() -> None:
    window = {"WindowCenter": "100", "WindowWidth": "201"}
    _, warned = shown(padded(100, PixelPaddingValue=100, **window))
    assert warned == ["padding_masked", "voi_ignored"]


@pytest.mark.parametrize("elements", [{}, {"PixelPaddingValue": 5}, {"PixelPaddingValue": None}], ids=str)
def test_padding_that_is_not_there_changes_nothing(elements: dict[str, Any]) -> None:
    ds = radiograph(pixels=ANATOMY)
    for keyword, value in elements.items():
        ds.add_new(keyword, "US", value)
    found, warned = shown(ds)
    np.testing.assert_array_equal(found, stretched(ANATOMY.astype(np.float32), PERCENTILES))
    assert warned == []


@pytest.mark.parametrize("limit", [4095, 3390])
def test_an_image_that_is_all_padding_by_its_header_is_shown_and_that_is_named(limit: int) -> None:
    ds = radiograph(pixels=ANATOMY, PixelPaddingValue=0, PixelPaddingRangeLimit=min(limit, int(ANATOMY.max()) - 1))
    found, warned = shown(ds)
    np.testing.assert_array_equal(found, stretched(ANATOMY.astype(np.float32), PERCENTILES))
    assert warned == ["padding_ignored"]


def test_a_value_of_the_anatomy_that_is_declared_as_padding_leaves_the_rest() -> None:
    value = int(np.median(ANATOMY))
    found, warned = shown(radiograph(pixels=ANATOMY, PixelPaddingValue=value))
    padding = value == ANATOMY
    rest = stretched(ANATOMY[~padding].astype(np.float32)[None], PERCENTILES)[0]
    np.testing.assert_allclose(found[~padding], rest, atol=1e-3)
    assert (found[padding] == 0).all()
    assert warned == ["padding_masked"]
