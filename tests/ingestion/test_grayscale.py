"""Stored values to displayed ones, against the formulas of PS3.3 C.11.1 and C.11.2 written out pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian
from support.dicoms import picture, radiograph
from support.levels import on_levels

from dagster_project.ingestion.grayscale import rescaled, windowed

STORED = picture(3)  # 200..3800


def lut(first: int, data: Any, entries: int | None = None, vr: str = "US") -> Sequence:
    """A LUT sequence; `data` are entries, or bytes under `vr`."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(data) if entries is None else entries, first, 16])
    item.add_new("LUTData", vr, data)
    return Sequence([item])


def looked_up(values: np.ndarray, first: int, data: list[int]) -> np.ndarray:
    """The standard's words: below the first value mapped the first entry, beyond the last the last."""
    index = [min(max(int(value) - first, 0), len(data) - 1) for value in values.ravel()]
    return np.array([data[i] for i in index], np.float32).reshape(values.shape)


def after_rescale(stored: np.ndarray = STORED, **elements: Any) -> tuple[np.ndarray, list[str]]:
    warned: list[str] = []
    return on_levels(stored, lambda levels: rescaled(radiograph(**elements), levels, warned)), warned


def after_window(values: np.ndarray, **elements: Any) -> tuple[np.ndarray, list[str]]:
    warned: list[str] = []
    return on_levels(values, lambda levels: windowed(radiograph(**elements), levels, warned)), warned


def linear(x: float, center: float, width: float) -> float:
    if x <= center - 0.5 - (width - 1) / 2:
        return 0
    if x > center - 0.5 + (width - 1) / 2:
        return 1
    return (x - (center - 0.5)) / (width - 1) + 0.5


def linear_exact(x: float, center: float, width: float) -> float:
    if x <= center - width / 2:
        return 0
    if x > center + width / 2:
        return 1
    return (x - center) / width + 0.5


def sigmoid(x: float, center: float, width: float) -> float:
    return 1 / (1 + math.exp(-4 * (x - center) / width))


@pytest.mark.parametrize(("slope", "intercept"), [("2", "-1024"), ("0.25", "0"), ("-1", "4095"), ("1", "5")])
def test_a_rescale_is_applied(slope: str, intercept: str) -> None:
    found, warned = after_rescale(RescaleSlope=slope, RescaleIntercept=intercept)
    np.testing.assert_allclose(found, STORED * float(slope) + float(intercept), rtol=1e-6)
    assert (warned, found.dtype) == (["rescaled"], np.float32)


@pytest.mark.parametrize("elements", [{}, {"RescaleSlope": "1", "RescaleIntercept": "0"}, {"RescaleSlope": "1.0"}])
def test_a_rescale_that_changes_nothing_is_not_named(elements: dict[str, str]) -> None:
    found, warned = after_rescale(**elements)
    np.testing.assert_array_equal(found, STORED)
    assert warned == []


def test_an_intercept_without_a_slope_is_applied() -> None:
    found, warned = after_rescale(RescaleIntercept="-7")
    np.testing.assert_array_equal(found, STORED - 7.0)
    assert warned == ["rescaled"]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("slope", ["0", "1e38"])
def test_a_rescale_that_would_blank_the_picture_is_left_out(slope: str) -> None:
    found, warned = after_rescale(RescaleSlope=slope, RescaleIntercept="0")
    np.testing.assert_array_equal(found, STORED)
    assert warned == ["rescale_ignored"]


@pytest.mark.parametrize("first", [0, 100, 1000, -50])
def test_a_modality_lut_is_applied_and_clamps_at_both_ends(first: int) -> None:
    data = [round(60000 * (i / 3000) ** 2) for i in range(3000)]
    found, warned = after_rescale(ModalityLUTSequence=lut(first, data))
    np.testing.assert_array_equal(found, looked_up(STORED, first, data))
    assert warned == ["rescaled"]


def test_a_modality_lut_goes_before_a_rescale() -> None:
    data = list(range(4096, 0, -1))
    found, _ = after_rescale(ModalityLUTSequence=lut(0, data), RescaleSlope="3", RescaleIntercept="1")
    np.testing.assert_array_equal(found, looked_up(STORED, 0, data))


def test_a_lut_of_bytes_in_either_order_or_of_8_bits_is_applied() -> None:
    data = np.arange(4096)[::-1]
    little, _ = after_rescale(ModalityLUTSequence=lut(0, data.astype("<u2").tobytes(), 4096, "OW"))
    np.testing.assert_array_equal(little, 4095.0 - STORED)
    small = (STORED // 16).astype(np.uint8)
    narrow, _ = after_rescale(small, ModalityLUTSequence=lut(0, bytes(range(255, -1, -1)), 256, "OW"))
    np.testing.assert_array_equal(narrow, 255.0 - small)
    ds = radiograph(ModalityLUTSequence=lut(0, data.astype(">u2").tobytes(), 4096, "OW"))
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(on_levels(STORED, lambda levels: rescaled(ds, levels, [])), little)


def test_a_lut_of_65536_entries_says_zero() -> None:
    data = (65535 - np.arange(65536)).astype("<u2").tobytes()
    found, _ = after_rescale(STORED * np.uint16(16), ModalityLUTSequence=lut(0, data, 0, "OW"))
    np.testing.assert_array_equal(found, 65535.0 - STORED * np.float32(16))


@pytest.mark.parametrize(
    "sequence",
    [
        Sequence([Dataset()]),
        lut(0, []),
        lut(0, [5]),
        lut(60000, list(range(100))),
    ],
    ids=["no descriptor", "no data", "one entry", "far off"],
)
def test_an_unusable_lut_is_left_out(sequence: Sequence) -> None:
    found, warned = after_rescale(ModalityLUTSequence=sequence)
    np.testing.assert_array_equal(found, STORED)
    assert warned == ["rescale_ignored"]
    found, warned = after_window(STORED.astype(np.float32), VOILUTSequence=sequence)
    np.testing.assert_array_equal(found, STORED)
    assert warned == ["voi_ignored"]


@pytest.mark.parametrize(
    ("function", "formula"),
    [(None, linear), ("", linear), ("LINEAR", linear), ("LINEAR_EXACT", linear_exact), ("SIGMOID", sigmoid)],
)
@given(center=st.floats(1500, 2500), width=st.floats(2500, 8000))
def test_a_window_follows_the_standards_formula(
    function: str | None, formula: Callable[[float, float, float], float], center: float, width: float
) -> None:
    center, width = round(center, 3), round(width, 3)
    elements = {} if function is None else {"VOILUTFunction": function}
    found, warned = after_window(
        STORED.astype(np.float32), WindowCenter=str(center), WindowWidth=str(width), **elements
    )
    expected = [formula(float(x), center, width) for x in STORED.ravel()]
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-5)
    assert warned == []


def test_of_several_windows_the_first_counts() -> None:
    values = STORED.astype(np.float32)
    several, _ = after_window(values, WindowCenter=["2000", "100"], WindowWidth=["4000", "5"])
    one, _ = after_window(values, WindowCenter="2000", WindowWidth="4000")
    np.testing.assert_array_equal(several, one)


def test_a_voi_lut_goes_before_a_window() -> None:
    data = list(range(4096, 0, -1))
    found, warned = after_window(
        STORED.astype(np.float32), VOILUTSequence=lut(0, data), WindowCenter="2000", WindowWidth="4000"
    )
    np.testing.assert_array_equal(found, looked_up(STORED, 0, data))
    assert warned == []


def test_a_voi_lut_may_begin_below_zero() -> None:
    values, data = STORED.astype(np.float32) - 2000, [round(i * 1.5) for i in range(4000)]
    found, _ = after_window(values, VOILUTSequence=lut(-2000, data))
    np.testing.assert_array_equal(found, looked_up(values, -2000, data))


def test_no_window_and_half_a_window_change_nothing() -> None:
    values = STORED.astype(np.float32)
    for elements in ({}, {"WindowCenter": "2000"}, {"WindowWidth": "4000"}):
        found, warned = after_window(values, **elements)
        np.testing.assert_array_equal(found, values)
        assert warned == []


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": "2000", "WindowWidth": "0"},
        {"WindowCenter": "2000", "WindowWidth": "1"},
        {"WindowCenter": "2000", "WindowWidth": "-4000"},
        {"WindowCenter": "90000", "WindowWidth": "100"},
        {"WindowCenter": "2000", "WindowWidth": "2"},
        {"WindowCenter": "2000", "WindowWidth": "4000", "VOILUTFunction": "CUBIC"},
    ],
)
def test_a_window_that_is_unusable_or_would_blank_the_picture_is_left_out(elements: dict[str, str]) -> None:
    values = STORED.astype(np.float32)
    found, warned = after_window(values, **elements)
    np.testing.assert_array_equal(found, values)
    assert warned == ["voi_ignored"]
