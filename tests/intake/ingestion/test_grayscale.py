"""Stored values to displayed ones, against the formulas of PS3.3 C.11.1 and C.11.2 written out pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from support.dicoms import image, radiograph, save
from support.levels import on_levels

from dagster_project.intake.ingestion.headers.elements import open_dataset
from dagster_project.intake.ingestion.pixels.grayscale import rescaled, windowed

STORED = image(3)  # 200..3800
EMPTY = Dataset()
CURVE = np.round(65535 * (np.arange(4096) / 4095) ** 3).astype("<u2")
WINDOW = {"WindowCenter": "2000", "WindowWidth": "2001"}
THROUGH_WINDOW = np.clip((STORED - 1999.5) / 2000 + 0.5, 0, 1)
OCTETS = np.arange(255, 0, -1).astype(np.uint8)  # 255 entries, so that two in a word leave half a word
PADDED = np.append(OCTETS, np.uint8(0))


def lut(first: int, data: Any, entries: int | None = None, vr: str = "US", bits: int = 16) -> Sequence:
    """A LUT sequence; `data` are entries, or bytes under `vr`."""
    item = Dataset()
    descriptor = [len(data) if entries is None else entries, first, bits]
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", descriptor)
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
def test_a_rescale_that_would_blank_the_image_is_left_out(slope: str) -> None:
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


@pytest.mark.slow
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
def test_a_window_that_is_unusable_or_would_blank_the_image_is_left_out(elements: dict[str, str]) -> None:
    values = STORED.astype(np.float32)
    found, warned = after_window(values, **elements)
    np.testing.assert_array_equal(found, values)
    assert warned == ["voi_ignored"]


def test_a_window_that_saturates_most_of_the_image_is_applied() -> None:
    limb = np.arange(80 * 60).reshape(80, 60) % 60 < 3  # 5 %
    values = np.where(limb, STORED, 10500).astype(np.float32)
    found, warned = after_window(values, WindowCenter="2000", WindowWidth="3601")
    np.testing.assert_allclose(found, np.clip((values - 1999.5) / 3600 + 0.5, 0, 1), atol=1e-6)
    assert warned == []


@pytest.mark.parametrize("step", ["window", "VOI LUT"])
def test_a_step_that_shows_nearly_all_pixels_alike_is_left_out(step: str) -> None:
    values = np.full((80, 60), 10500, np.float32) + np.arange(60)
    values[0, :6] = 2000  # of 4800
    curve = lut(0, list(range(4096)))
    found, warned = after_window(values, **(WINDOW if step == "window" else {"VOILUTSequence": curve}))
    np.testing.assert_array_equal(found, values)
    assert warned == ["voi_ignored"]


def test_lut_data_under_a_signed_vr_have_no_sign() -> None:
    found, _ = after_rescale(ModalityLUTSequence=lut(0, CURVE.view("<i2").tolist(), vr="SS"))
    np.testing.assert_array_equal(found, CURVE[STORED])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("vr", "data", "syntax"),
    [
        ("OW", OCTETS.tobytes() + b"\0", ExplicitVRLittleEndian),
        ("OW", OCTETS.tobytes(), ExplicitVRLittleEndian),
        ("OB", OCTETS.tobytes() + b"\0", ExplicitVRBigEndian),
        ("OW", PADDED.view("<u2").astype(">u2").tobytes(), ExplicitVRBigEndian),
        ("US", PADDED.view("<u2").tolist(), ExplicitVRLittleEndian),
        ("SS", PADDED.view("<i2").tolist(), ExplicitVRLittleEndian),
        ("US", OCTETS.tolist(), ExplicitVRLittleEndian),
        ("OW", OCTETS.astype("<u2").tobytes(), ExplicitVRLittleEndian),
        ("OW", OCTETS.astype(">u2").tobytes(), ExplicitVRBigEndian),
    ],
    ids=[
        *("two in a word", "without the last byte", "bytes", "big endian words", "numbers", "numbers with a sign"),
        *("one in a number", "one in a word", "one in a big endian word"),
    ],
)
def test_entries_of_8_bits_are_read_however_they_are_packed(vr: str, data: Any, syntax: str, bits: int) -> None:
    ds = radiograph(ModalityLUTSequence=lut(0, data, 255, vr, bits))
    ds.file_meta.TransferSyntaxUID = syntax
    stored = (STORED // 16).astype(np.uint8)
    found = on_levels(stored, lambda levels: rescaled(ds, levels, []))
    np.testing.assert_array_equal(found, OCTETS[np.minimum(stored, 254)])


def test_a_lut_of_less_data_than_entries_is_left_out() -> None:
    found, warned = after_rescale(ModalityLUTSequence=lut(0, CURVE[:3000].tobytes(), 4096, "OW"))
    np.testing.assert_array_equal(found, STORED)
    assert warned == ["rescale_ignored"]


@pytest.mark.parametrize("written", ["US", "SS"])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=["implicit", "explicit"])
@pytest.mark.parametrize(
    ("intercept", "first"), [(-2048, -2048), (-32768, -32768), (0, 0), (40000, 40000), (-2048, -4096)]
)
def test_the_first_value_mapped_has_the_sign_of_what_is_mapped(
    intercept: int, first: int, syntax: str, written: str, tmp_path: Path
) -> None:
    item = Dataset()
    pattern = first % 2**16
    entry = pattern - 2**16 * (written == "SS" and pattern >= 2**15)
    entries = np.concatenate([np.zeros(2048, "<u2"), CURVE]) if first == -4096 else CURVE
    item.add_new("LUTDescriptor", written, [len(entries), entry, 16])
    item.add_new("LUTData", "OW", entries.tobytes())
    ds = radiograph(pixels=STORED, RescaleSlope="1", RescaleIntercept=str(intercept), VOILUTSequence=Sequence([item]))
    ds.file_meta.TransferSyntaxUID = syntax
    ds, warned = open_dataset(save(ds, tmp_path / "a.dcm"), []), []
    found = on_levels(STORED, lambda levels: windowed(ds, rescaled(ds, levels, []), warned))
    np.testing.assert_array_equal(found, CURVE[STORED])
    assert warned == []


def test_after_a_modality_lut_the_first_value_mapped_has_no_sign(tmp_path: Path) -> None:
    item, raised = Dataset(), np.arange(40000, 44096)
    item.add_new("LUTDescriptor", "US", [4096, 40000, 16])
    item.add_new("LUTData", "OW", CURVE.tobytes())
    first = lut(0, raised.astype("<u2").tobytes(), 4096, "OW")
    ds = radiograph(pixels=STORED, ModalityLUTSequence=first, VOILUTSequence=Sequence([item]))
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    ds = open_dataset(save(ds, tmp_path / "a.dcm"), [])
    found = on_levels(STORED, lambda levels: windowed(ds, rescaled(ds, levels, []), []))
    np.testing.assert_array_equal(found, CURVE[STORED])


@pytest.mark.parametrize(
    "unusable",
    [
        {"VOILUTSequence": Sequence([EMPTY]), **WINDOW},
        {"VOILUTSequence": Sequence([EMPTY, *lut(60000, list(range(100)))]), **WINDOW},
        {"WindowCenter": ["2000", "2000"], "WindowWidth": ["0", "2001"]},
        {"WindowCenter": ["90000", "2000"], "WindowWidth": ["100", "2001"]},
    ],
    ids=["an empty LUT", "no LUT and one far off", "no width", "far off"],
)
def test_in_place_of_a_voi_that_is_unusable_the_next_is_applied_and_that_is_named(unusable: dict[str, Any]) -> None:
    found, warned = after_window(STORED.astype(np.float32), **unusable)
    np.testing.assert_allclose(found, THROUGH_WINDOW, atol=1e-6)
    assert warned == ["voi_ignored"]


def test_in_place_of_a_lut_that_is_unusable_the_next_is_applied() -> None:
    curve = lut(0, CURVE.tobytes(), 4096, "OW")
    found, warned = after_window(STORED.astype(np.float32), VOILUTSequence=Sequence([EMPTY, *curve]), **WINDOW)
    np.testing.assert_array_equal(found, CURVE[STORED])
    assert warned == ["voi_ignored"]


def test_in_place_of_a_modality_lut_that_is_unusable_the_rescale_is_applied() -> None:
    found, warned = after_rescale(ModalityLUTSequence=Sequence([EMPTY]), RescaleSlope="2", RescaleIntercept="-7")
    np.testing.assert_array_equal(found, STORED * 2.0 - 7)
    assert warned == ["rescale_ignored", "rescaled"]


def test_an_empty_slope_and_intercept_count_as_absent() -> None:
    found, warned = after_rescale(RescaleSlope="", RescaleIntercept="")
    np.testing.assert_array_equal(found, STORED)
    assert warned == []


@pytest.mark.parametrize(
    ("syntax", "written", "first"),
    [
        (ImplicitVRLittleEndian, "US", -20000),
        (ExplicitVRLittleEndian, "SS", -20000),
        (ExplicitVRLittleEndian, "US", 45536),
    ],
)
def test_of_two_usable_readings_of_the_first_value_mapped_the_standards_counts(
    syntax: str, written: str, first: int, tmp_path: Path
) -> None:
    item, pixels = Dataset(), np.linspace(0, 65535, 4800).reshape(80, 60).astype(np.uint16)
    item.add_new("LUTDescriptor", written, [4096, first if written == "SS" else first % 2**16, 16])
    item.add_new("LUTData", "OW", CURVE.tobytes())
    bits = {"BitsStored": 16, "HighBit": 15, "RescaleSlope": "1.5", "RescaleIntercept": "-32768"}
    ds = radiograph(pixels=pixels, VOILUTSequence=Sequence([item]), **bits)
    ds.file_meta.TransferSyntaxUID = syntax
    ds = open_dataset(save(ds, tmp_path / "a.dcm"), [])
    values = pixels * np.float32(1.5) - 32768
    found = on_levels(values, lambda levels: windowed(ds, levels, []))
    np.testing.assert_array_equal(found, CURVE[np.clip(np.rint(values - first), 0, 4095).astype(int)])
