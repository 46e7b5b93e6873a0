"""Length fields that lie: none is believed, and a file that is used is named for one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.sequence import Sequence
from support.dicoms import code, radiograph, save
from support.hostile import UNDEFINED, deflated
from support.mutations import SYNTAXES, valid
from support.readers import HEADERS, outcome, source_file

PIXELS = b"\xe0\x7f\x10\0OW\0\0"
REGIONS = b"\x08\0\x18\x22SQ\0\0"
META = b"\2\0\0\0UL\4\0"
SIZE = 80 * 60 * 2


def with_length(raw: bytes, after: bytes, change: Callable[[int], int]) -> bytes:
    """The file with the length that follows `after` changed."""
    assert raw.count(after) == 1
    at = raw.index(after) + len(after)
    return raw[:at] + struct.pack("<I", change(*struct.unpack_from("<I", raw, at)) % 2**32) + raw[at + 4 :]


def read(raw: bytes, folder: Path) -> tuple[str, set[str]]:
    (folder / "a.dcm").write_bytes(raw)
    found = outcome(source_file(folder / "a.dcm"))
    assert found.row is None or found.row["header_region"] == "knee"
    return found.verdict, found.reasons


def plain(folder: Path) -> bytes:
    return save(radiograph(AnatomicRegionSequence=Sequence([code("72696002", "Knee")])), folder / "b.dcm").read_bytes()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_true_lengths_are_not_named(syntax: str, tmp_path: Path) -> None:
    assert "false_length" not in read(valid(syntax, 0), tmp_path)[1]


@pytest.mark.parametrize("said", [SIZE + 1, SIZE + 2, 2 * SIZE, 0xFFFFFFF0, 0xFFFFFFFE])
def test_pixel_data_that_announce_more_than_the_whole_image_that_is_there_are_named(said: int, tmp_path: Path) -> None:
    raw = with_length(plain(tmp_path), PIXELS, lambda length: said)
    assert read(raw, tmp_path) == ("accept_warn", {"false_length"})


@pytest.mark.parametrize(("change", "reason"), [(-2, "pixels_short"), (2, "pixels_long")])
def test_pixel_data_that_announce_more_and_are_not_the_image_are_refused(
    change: int, reason: str, tmp_path: Path
) -> None:
    raw = with_length(plain(tmp_path), PIXELS, lambda length: 0xFFFFFFF0)
    raw = raw[:change] if change < 0 else raw + bytes(change)
    verdict, reasons = read(raw, tmp_path)
    assert (verdict, reason in reasons) == ("quarantine", True)


def test_native_pixel_data_of_undefined_length_are_named(tmp_path: Path) -> None:
    end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    raw = with_length(plain(tmp_path), PIXELS, lambda length: UNDEFINED) + end
    assert read(raw, tmp_path) == ("accept_warn", {"false_length"})


@pytest.mark.parametrize("by", [-8, 2, 1000])
def test_a_false_length_of_the_meta_information_is_named(by: int, tmp_path: Path) -> None:
    raw = with_length(plain(tmp_path), META, lambda length: length + by)
    assert read(raw, tmp_path) == ("accept_warn", {"false_length"})


@pytest.mark.parametrize("by", [-12, -10, -2, 2, 8, 40, 100_000])
def test_a_false_length_of_a_sequences_item_is_named(by: int, tmp_path: Path) -> None:
    raw = plain(tmp_path)
    place = raw.index(REGIONS) + len(REGIONS) + 4
    raw = with_length(raw, raw[place - 4 : place + 4], lambda length: length + by)
    assert read(raw, tmp_path) == ("accept_warn", {"false_length"})


@pytest.mark.parametrize("by", [-10, -2, 2, 8, 100_000])
def test_a_sequence_of_false_length_is_refused(by: int, tmp_path: Path) -> None:
    verdict, _ = read(with_length(plain(tmp_path), REGIONS, lambda length: length + by), tmp_path)
    assert verdict == "quarantine"


@pytest.mark.parametrize("by", [0, 100_000])
def test_what_inflates_beyond_the_limits_is_refused_whatever_the_meta_information_says(by: int, tmp_path: Path) -> None:
    zeros = struct.pack("<HH2sHI", 0xFFFC, 0xFFFC, b"OB", 0, 40 << 20) + bytes(40 << 20)
    path = deflated(radiograph(), tmp_path / "a.dcm", zeros)
    path.write_bytes(with_length(path.read_bytes(), META, lambda length: length + by))
    assert replace(HEADERS, max_megapixels=1)(source_file(path)).reasons == ["too_large"]
