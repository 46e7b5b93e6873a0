"""Second pass: what is decoded, how it is presented, stretched and letterboxed, for every way to store it."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from support.dicoms import image, radiograph, save
from support.hostile import deflated
from support.levels import on_levels, stretched
from support.readers import PIXELS, SIDE, read_pixels, source_file

from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, presented
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.pixels.decoding import decode
from dagster_project.intake.ingestion.pixels.letterbox import centred, fitted

STORED = image(5)
LOSSLESS = (RLELossless, JPEGLSLossless, JPEG2000Lossless)


def letterbox(values: np.ndarray, side: int) -> np.ndarray:
    return centred(fitted(values, side), side)


def read(ds: FileDataset, folder: Path) -> PixelRead:
    return read_pixels(save(ds, folder / "a.dcm"))


def uncleaned(path: Path) -> PixelRead:
    return replace(PIXELS, clean=False)(source_file(path))


def image_of(ds: FileDataset, folder: Path) -> np.ndarray:
    found = read(ds, folder).image
    assert found is not None
    return found


def reason(ds: FileDataset, folder: Path) -> str:
    found = read(ds, folder)
    assert found.image is None
    (code,) = found.reasons
    return code


def in_bits(stored: int, *, signed: bool = False) -> FileDataset:
    """An image of `stored` bits, in 8 or 16."""
    allocated = 8 if stored <= 8 else 16
    values = (STORED.astype(np.int64) - 200) * (2**stored - 1) // 3700 - (2 ** (stored - 1) if signed else 0)
    kind = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    ds = radiograph(BitsAllocated=allocated, BitsStored=stored, HighBit=stored - 1, PixelRepresentation=int(signed))
    ds.PixelData = values.clip(-(2**15), 2**16 - 1).astype(kind).tobytes()
    return ds


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel().astype(float), other.ravel().astype(float))[0, 1])


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_a_losslessly_compressed_image_is_the_same_as_the_plain_one(syntax: str, bits: int, tmp_path: Path) -> None:
    plain, packed = read(in_bits(bits), tmp_path), in_bits(bits)
    packed.compress(syntax)
    found = read(packed, tmp_path)
    assert plain.image is not None
    np.testing.assert_array_equal(found.image, plain.image)
    assert (found.pixel_digest, found.reasons) == (plain.pixel_digest, [])
    assert found.file_digest != plain.file_digest


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_a_compressed_signed_image_is_the_same_as_the_plain_one(syntax: str, tmp_path: Path) -> None:
    plain, packed = read(in_bits(12, signed=True), tmp_path), in_bits(12, signed=True)
    packed.compress(syntax)
    assert read(packed, tmp_path).pixel_digest == plain.pixel_digest


@pytest.mark.parametrize(
    ("syntax", "how"),
    [(JPEGLSNearLossless, {"jls_error": 3}), (JPEG2000, {"j2k_cr": [6]})],
    ids=["JPEG-LS", "JPEG 2000"],
)
def test_a_lossily_compressed_image_is_nearly_the_plain_one(syntax: str, how: dict[str, Any], tmp_path: Path) -> None:
    plain, packed = image_of(radiograph(), tmp_path), radiograph()
    packed.compress(syntax, **how)
    assert correlation(image_of(packed, tmp_path), plain) > 0.99


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_depth_and_sign_do_not_change_what_is_shown(bits: int, signed: bool, tmp_path: Path) -> None:
    expected = image_of(radiograph(pixels=STORED), tmp_path)
    found = image_of(in_bits(bits, signed=signed), tmp_path)
    assert np.abs(found.astype(int) - expected).max() <= 3


def test_byte_order_and_packing_of_the_file_do_not_matter(tmp_path: Path) -> None:
    expected = read(radiograph(), tmp_path)
    big, implicit = radiograph(), radiograph()
    big.PixelData = image(0).astype(">u2").tobytes()
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dcmwrite(tmp_path / "big.dcm", big, enforce_file_format=True)
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    save(implicit, tmp_path / "implicit.dcm")
    deflated(radiograph(), tmp_path / "deflated.dcm")
    for name in ("big", "implicit", "deflated"):
        found = read_pixels(tmp_path / f"{name}.dcm")
        np.testing.assert_array_equal(found.image, expected.image)
        assert (found.pixel_digest, found.reasons) == (expected.pixel_digest, [])


def test_what_is_decoded_is_in_this_machines_byte_order() -> None:
    ds = radiograph()
    ds.PixelData = image(0).astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    stored = decode(ds, [])
    assert stored.dtype.isnative
    np.testing.assert_array_equal(stored, image(0))


def test_overlay_bits_above_the_stored_ones_are_left_out(tmp_path: Path) -> None:
    pixels = image(0)
    pixels[::3] |= 0x7000
    found = read(radiograph(pixels=pixels), tmp_path)
    assert found.reasons == ["high_bits"]
    np.testing.assert_array_equal(found.image, image_of(radiograph(), tmp_path))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
def test_overlay_bits_are_left_out_of_losslessly_compressed_images_too(
    syntax: str, signed: bool, tmp_path: Path
) -> None:
    def stored(overlay: int) -> FileDataset:
        pixels = image(0) & 0x0FFF
        pixels[::3] |= overlay
        values = (pixels.astype(int) - 2 * (pixels & 0x0800)).astype(np.int16) if signed and not overlay else pixels
        ds = radiograph(
            pixels=values.view(np.int16) if signed else values,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=int(signed),
        )
        ds.compress(syntax)
        ds.BitsStored, ds.HighBit = 12, 11
        return ds

    plain, found = read(stored(0), tmp_path), read(stored(0x7000), tmp_path)
    assert "high_bits" in found.reasons
    assert "high_bits" not in plain.reasons
    np.testing.assert_array_equal(found.image, plain.image)


def test_a_lossy_stream_under_a_lossless_syntax_is_refused(tmp_path: Path) -> None:
    pixels = (image(0) // 16).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    ds = radiograph(pixels=pixels, BitsAllocated=8, BitsStored=8, HighBit=7)
    ds.PixelData = encapsulate([file.getvalue()])
    for syntax, reasons in ((JPEGBaseline8Bit, []), (JPEGLosslessSV1, ["syntax_mismatch"])):
        ds.file_meta.TransferSyntaxUID = syntax
        assert read(ds, tmp_path).reasons == reasons


def test_an_inverse_presentation_of_monochrome2_is_named(tmp_path: Path) -> None:
    assert read(radiograph(PresentationLUTShape="INVERSE"), tmp_path).reasons == ["presentation_conflict"]
    assert read(radiograph(PresentationLUTShape="IDENTITY"), tmp_path).reasons == []


def test_an_odd_number_of_bytes_may_be_padded(tmp_path: Path) -> None:
    def eight_bit(shape: tuple[int, int], padding: bytes) -> FileDataset:
        pixels = (image(1, shape) // 16).astype(np.uint8)
        ds = radiograph(pixels=pixels, BitsAllocated=8, BitsStored=8, HighBit=7)
        ds.PixelData = pixels.tobytes() + padding
        ds["PixelData"].VR = "OB"
        return ds

    assert read(eight_bit((81, 61), b"\0"), tmp_path).reasons == []
    assert reason(eight_bit((81, 61), b"\0\0\0"), tmp_path) == "pixels_long"
    assert reason(eight_bit((80, 60), b"\0\0"), tmp_path) == "pixels_long"


def test_the_digests_tell_pixels_and_file(tmp_path: Path) -> None:
    one, again = read(radiograph(1), tmp_path), read(radiograph(2, pixels=image(1)), tmp_path)
    assert one.pixel_digest == again.pixel_digest
    assert again.file_digest != one.file_digest
    turned = radiograph(pixels=image(1).reshape(60, 80))
    assert read(turned, tmp_path).pixel_digest != one.pixel_digest


def test_any_byte_tells_in_the_digest_of_a_file(tmp_path: Path) -> None:
    ds = radiograph()
    ds.DataSetTrailingPadding = bytes(50)
    path = save(ds, tmp_path / "a.dcm")
    content = path.read_bytes()
    digests = [read_pixels(path).file_digest, read_pixels(path).file_digest]
    pixels = content.index(ds.PixelData)
    for at in (0, content.index(b"CANARYNAME"), pixels, pixels + len(ds.PixelData) - 1, len(content) - 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        digests.append(read_pixels(path).file_digest)
    assert "" not in digests
    assert len(set(digests)) == len(digests) - 1 == 6


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_raw_values_are_those_of_pydicom(bits: int, signed: bool) -> None:
    ds = in_bits(bits, signed=signed)
    np.testing.assert_array_equal(decode(ds, []), ds.pixel_array)
    assert decode(ds, []).dtype == ds.pixel_array.dtype


@pytest.mark.parametrize("shape", ["none", "IDENTITY", "INVERSE"])
def test_monochrome1_is_inverted_once_whatever_the_presentation_lut_says(shape: str, tmp_path: Path) -> None:
    expected = image_of(radiograph(), tmp_path)
    more = {} if shape == "none" else {"PresentationLUTShape": shape}
    inverted = radiograph(PhotometricInterpretation="MONOCHROME1", pixels=4000 - image(0), **more)
    np.testing.assert_allclose(image_of(inverted, tmp_path).astype(int), expected, atol=1)


def test_monochrome1_is_inverted_once_also_after_rescale_and_window(tmp_path: Path) -> None:
    steps = {"RescaleSlope": "0.5", "RescaleIntercept": "10", "WindowCenter": "1000", "WindowWidth": "4000"}
    plain = image_of(radiograph(**steps), tmp_path)
    inverted = image_of(radiograph(PhotometricInterpretation="MONOCHROME1", **steps), tmp_path)
    assert correlation(plain[:, 8:-8], inverted[:, 8:-8]) < -0.999


def test_a_negative_slope_turns_the_image_and_a_window_applies_after_it() -> None:
    ds = radiograph(RescaleSlope="-1", RescaleIntercept="4095", WindowCenter="2048", WindowWidth="4096")
    shown = on_levels(image(0), lambda levels: presented(ds, levels, []))
    np.testing.assert_allclose(shown, (4095.0 - image(0) - 2047.5) / 4095 + 0.5, atol=1e-6)


def test_without_any_step_the_values_are_shown_as_stored() -> None:
    shown = on_levels(image(0), lambda levels: presented(radiograph(), levels, []))
    np.testing.assert_array_equal(shown, image(0))


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_the_stretch_takes_no_notice_of_gain_and_offset(gain: float, offset: float) -> None:
    values = STORED.astype(np.float64)
    np.testing.assert_allclose(stretched(values * gain + offset, (1, 99)), stretched(values, (1, 99)), atol=0.5)


def test_the_stretch_runs_between_the_percentiles() -> None:
    values = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    found = stretched(values, (1, 99))
    low, high = np.percentile(values, (1, 99))
    np.testing.assert_allclose(found, np.clip((values - low) / (high - low) * 255, 0, 255), atol=1e-3)
    assert found.dtype == np.float32


def test_a_few_extreme_pixels_do_not_darken_the_image() -> None:
    values = STORED.astype(np.float32)
    spoilt = values.copy()
    spoilt[0, :5], spoilt[1, :5] = 1e6, -1e6
    np.testing.assert_allclose(stretched(spoilt, (1, 99))[2:], stretched(values, (1, 99))[2:], atol=12)


@pytest.mark.parametrize("border", [0, 60000])
def test_a_collimators_border_does_not_count_as_image(border: int) -> None:
    values = STORED.astype(np.float32)
    framed = np.pad(values, 40, constant_values=border)
    np.testing.assert_allclose(stretched(framed, (1, 99))[40:-40, 40:-40], stretched(values, (1, 99)), atol=1e-3)


def test_borders_at_both_ends_do_not_count() -> None:
    values = STORED.astype(np.float32)
    framed = np.pad(np.pad(values, 20, constant_values=0), 20, constant_values=60000)
    np.testing.assert_allclose(stretched(framed, (1, 99))[40:-40, 40:-40], stretched(values, (1, 99)), atol=1e-3)


def test_padding_pixels_do_not_count_as_image(tmp_path: Path) -> None:
    framed = np.pad(STORED, 30, constant_values=4095)
    path = save(radiograph(pixels=framed, PixelPaddingValue=4095), tmp_path / "a.dcm")
    found = uncleaned(path)
    inside = letterbox(np.pad(stretched(STORED.astype(np.float32), (0.5, 99.5)), 30), SIDE)
    np.testing.assert_array_equal(found.image, inside)
    assert found.cropped == 0
    assert read_pixels(path).cropped > 0.5


def test_a_image_of_two_values_is_stretched_between_them() -> None:
    values = np.zeros((20, 20), np.float32)
    values[5:15, 5:15] = 7
    np.testing.assert_allclose(stretched(values, (0.5, 99.5)), np.where(values > 0, 255, 0), atol=1e-3)


def test_one_deviating_pixel_is_a_image_and_none_is_none(tmp_path: Path) -> None:
    pixels = np.full((80, 60), 100)
    assert reason(radiograph(pixels=pixels), tmp_path) == "constant"
    pixels[40, 30] = 101
    assert read(radiograph(pixels=pixels), tmp_path).image is not None


@given(rows=st.integers(1, 200), columns=st.integers(1, 200))
def test_a_letterbox_keeps_the_aspect_and_centres_the_image(rows: int, columns: int) -> None:
    square = letterbox(np.full((rows, columns), 255, np.float32), SIDE)
    assert square.shape == (SIDE, SIDE)
    filled = np.argwhere(square == 255)
    top, left = filled.min(axis=0)
    bottom, right = SIDE - 1 - filled.max(axis=0)
    height, width = SIDE - top - bottom, SIDE - left - right
    assert max(height, width) == SIDE
    assert min(height, width) == max(1, round(SIDE * min(rows, columns) / max(rows, columns)))
    assert max(abs(top - bottom), abs(left - right)) <= 1
    assert (square == 255).sum() == height * width
    assert (square == 0).sum() == SIDE**2 - height * width


def test_a_letterbox_reduces_by_the_mean_of_areas() -> None:
    fine = np.random.default_rng(0).uniform(0, 255, (4 * SIDE, 4 * SIDE)).astype(np.float32)
    areas = fine.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    assert np.abs(letterbox(fine, SIDE) - areas).max() <= 0.51


def test_a_letterbox_leaves_a_image_of_the_right_size_alone() -> None:
    values = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) % 256
    np.testing.assert_array_equal(letterbox(values, SIDE), values)


def test_rows_and_columns_are_not_exchanged(tmp_path: Path) -> None:
    pixels = np.tile(np.linspace(0, 4000, 60), (80, 1)).astype(np.uint16)
    found = uncleaned(save(radiograph(pixels=pixels), tmp_path / "a.dcm")).image
    assert found is not None
    assert (found[:, :8] == 0).all()  # 60 of 80 columns: 48 of 64, centred
    assert (np.diff(found[:, 8:56].astype(int), axis=1) >= 0).all()
    assert (found[:, 8:56] == found[0, 8:56]).all()


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
def test_a_compressed_image_cut_short_is_refused_or_still_whole(syntax: str, keep: float, tmp_path: Path) -> None:
    ds = radiograph()
    ds.compress(syntax)
    path = save(ds, tmp_path / "a.dcm")
    content = path.read_bytes()
    start = content.index(b"\xe0\x7f\x10\x00OB") + 12
    path.write_bytes(content[: start + int(keep * (len(content) - start))])
    found = read_pixels(path)
    assert found.image is None
    assert found.reasons[0] in ("decoder_error", "no_pixels", "damaged_header")


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_compressed_data_changed_at_random_never_raise(syntax: str, tmp_path: Path) -> None:
    ds = radiograph()
    ds.compress(syntax)
    path, rng = save(ds, tmp_path / "a.dcm"), np.random.default_rng(1)
    content = bytearray(path.read_bytes())
    start = content.index(b"\xe0\x7f\x10\x00OB") + 12
    for _ in range(12):
        changed = content.copy()
        for place in rng.integers(start, len(content), 8):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        found = read_pixels(path)
        assert (found.image is None) == bool(set(found.reasons) - {"high_bits", "pixel_padding", "private_tags"})


def test_decoding_without_pixels_is_a_refusal() -> None:
    with pytest.raises(RefusedFile, match="no_pixels"):
        decode(radiograph(PixelData=None), [])
