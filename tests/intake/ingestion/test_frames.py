"""One frame of compressed pixel data: all its fragments, whatever the offset tables say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGExtended12Bit
from support.dicoms import radiograph, save
from support.hostile import ITEM
from support.jpeg import flat_blocks
from support.mutations import valid
from support.readers import read_pixels

from dagster_project.intake.ingestion.headers.elements import open_dataset
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.pixels.decoding import decode
from dagster_project.intake.ingestion.pixels.frames import only_frame

COMPRESSED = ("rle", "jpeg-ls", "jpeg 2000", "jpeg lossless", "jpeg", "jpeg extended")
TABLES: dict[str, Callable[[list[bytes]], list[int]]] = {
    "none": lambda parts: [],
    "right": lambda parts: [0],
    "each fragment": lambda parts: [int(at) for at in np.cumsum([0] + [8 + len(part) for part in parts[:-1]])],
    "off": lambda parts: [16],
    "beyond": lambda parts: [0, 2**32 - 2],
}


def fragments(parts: list[bytes], table: list[int]) -> bytes:
    """Encapsulated pixel data, item by item."""
    items = [struct.pack(f"<{len(table)}I", *table), *parts]
    return b"".join(ITEM[:4] + struct.pack("<I", len(item)) + item for item in items)


def frame_of(ds: FileDataset) -> bytes:
    frame = only_frame(ds.PixelData, [])
    return frame + b"\0" * (len(frame) % 2)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("syntax", COMPRESSED)
def test_all_fragments_are_the_one_frame_whatever_the_table_says(syntax: str, table: str, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(valid(syntax, 0))
    whole, ds = read_pixels(path), open_dataset(path, [])
    frame = frame_of(ds)
    size = len(frame) // 3 // 2 * 2
    parts = [frame[:size], frame[size : 2 * size], frame[2 * size :]]
    ds.PixelData = fragments(parts, TABLES[table](parts))
    found = read_pixels(save(ds, path))
    np.testing.assert_array_equal(found.image, whole.image)
    assert (found.pixel_digest, found.reasons) == (whole.pixel_digest, [])


def test_an_extended_offset_table_that_is_off_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(valid("jpeg 2000", 0))
    whole, ds = read_pixels(path), open_dataset(path, [])
    ds.PixelData = encapsulate([frame_of(ds)], has_bot=False)
    ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = struct.pack("<Q", 40), struct.pack("<Q", 100)
    np.testing.assert_array_equal(read_pixels(save(ds, path)).image, whole.image)


@pytest.mark.parametrize("syntax", COMPRESSED)
@pytest.mark.parametrize("table", [True, False])
def test_two_frames_are_not_taken_for_one(syntax: str, table: bool, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(valid(syntax, 0))
    frame = only_frame(open_dataset(tmp_path / "a.dcm", []).PixelData, [])
    with pytest.raises(RefusedFile, match="decoder_error"):
        only_frame(encapsulate([frame, frame], has_bot=table), [])


def test_a_fragment_that_is_shorter_than_said_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(valid("jpeg-ls", 0))
    frame, warned = frame_of(open_dataset(tmp_path / "a.dcm", [])), []
    said = ITEM[:4] + struct.pack("<I", len(frame) + 1000)
    assert only_frame(ITEM[:4] + bytes(4) + said + frame, warned) == frame
    assert warned == ["false_length"]


def extended(frame: bytes, shape: tuple[int, int], **elements: int) -> FileDataset:
    ds = radiograph(pixels=np.zeros(shape, np.uint16), **elements)
    ds.file_meta.TransferSyntaxUID, ds.PixelData = JPEGExtended12Bit, encapsulate([frame])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


@pytest.mark.parametrize("signed", [False, True])
def test_jpeg_extended_of_12_bits_gives_its_values_with_the_headers_sign(signed: bool) -> None:
    means = np.random.default_rng(1).integers(0, 4096, (9, 7))
    found = decode(extended(flat_blocks(means), (72, 56), PixelRepresentation=int(signed)), [])
    expected = np.kron(means - 4096 * (means > 2047) if signed else means, np.ones((8, 8), int))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == (np.int16 if signed else np.uint16)


@pytest.mark.parametrize(
    ("change", "shape", "bits", "reason"),
    [
        (lambda frame: frame, (72, 64), 12, "decoder_error"),
        (lambda frame: frame, (72, 56), 10, "decoder_error"),
        (lambda frame: frame.replace(b"\x0c\0\x48", b"\x10\0\x48"), (72, 56), 16, "decoder_error"),
        (lambda frame: frame[2:], (72, 56), 12, "decoder_error"),
        (lambda frame: frame[:-2], (72, 56), 12, "pixels_short"),
        (lambda frame: frame[:30] + frame[-2:], (72, 56), 12, "decoder_error"),
    ],
    ids=["another size", "more bits", "16 bits", "no beginning", "no end", "no frame"],
)
def test_jpeg_extended_that_is_not_what_its_header_says_is_refused(
    change: Callable[[bytes], bytes], shape: tuple[int, int], bits: int, reason: str
) -> None:
    frame = change(flat_blocks(np.random.default_rng(1).integers(0, 4096, (9, 7))))
    with pytest.raises(RefusedFile, match=reason):
        decode(extended(frame, shape, BitsStored=bits, HighBit=bits - 1), [])
