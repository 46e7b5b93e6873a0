"""Opening DICOM files, and reading single elements without trusting what they hold."""

from __future__ import annotations

import errno
import math
import struct
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from support.dicoms import radiograph, save
from support.hostile import element, spliced, tag_of, with_value

from dagster_project.intake.ingestion.headers.elements import (
    byte_order,
    decimal,
    integer,
    number,
    open_dataset,
    parse_date,
    raw_text,
    refusing,
    text,
)
from dagster_project.intake.ingestion.headers.reasons import RefusedFile


def refusal(path: Path) -> str:
    with pytest.raises(RefusedFile) as refused:
        open_dataset(path, [])
    return refused.value.reason


def without_meta(raw: bytes) -> bytes:
    """The data set of an explicit little endian file, without preamble and file meta information."""
    (length,) = struct.unpack_from("<I", raw, 140)
    return raw[144 + length :]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RecursionError(), "nested_too_deep"),
        (PermissionError(errno.EACCES, ""), "unreadable"),
        (OSError("what pydicom says of a delimiter it misses"), "damaged_header"),
        (ValueError(), "damaged_header"),
        (struct.error(), "damaged_header"),
        (NotImplementedError(), "damaged_header"),
        (RefusedFile("colour"), "colour"),
    ],
)
def test_whatever_a_library_raises_becomes_a_reason(error: Exception, reason: str) -> None:
    with pytest.raises(RefusedFile) as refused, refusing("damaged_header"):
        raise error
    assert refused.value.reason == reason


def test_want_of_memory_is_left_to_the_worker() -> None:
    with pytest.raises(MemoryError), refusing("damaged_header"):
        raise MemoryError


def test_a_usual_file_opens_without_a_warning(tmp_path: Path) -> None:
    warned: list[str] = []
    ds = open_dataset(save(radiograph(), tmp_path / "a.dcm"), warned)
    assert (ds.Rows, len(ds.PixelData), warned) == (80, 9600, [])


def test_nothing_after_the_pixels_is_read(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes() + b"\xfe\xff rubbish" * 100)
    assert open_dataset(path, []).Rows == 80


def test_with_names_given_only_these_are_read_and_no_pixels(tmp_path: Path) -> None:
    ds = open_dataset(save(radiograph(), tmp_path / "a.dcm"), [], only=["Rows", "Modality"])
    assert {e.keyword for e in ds} == {"Rows", "Modality"}


@pytest.mark.parametrize("cut", ["preamble", "meta"])
def test_a_image_without_preamble_or_meta_opens_with_a_warning(cut: str, tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    raw = path.read_bytes()
    path.write_bytes(raw[132:] if cut == "preamble" else without_meta(raw))
    warned: list[str] = []
    ds = open_dataset(path, warned)
    assert (ds.Rows, len(ds.PixelData), warned) == (80, 9600, ["no_preamble"])
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert len(open_dataset(path, [], only=["SOPClassUID", "Rows", "Columns"])) == 3


@pytest.mark.parametrize("implicit", [True, False])
def test_the_transfer_syntax_is_found_out_where_the_file_does_not_say(implicit: bool, tmp_path: Path) -> None:
    ds = radiograph()
    del ds.file_meta, ds.preamble
    ds.save_as(tmp_path / "a.dcm", implicit_vr=implicit, little_endian=True)
    found = open_dataset(tmp_path / "a.dcm", []).file_meta.TransferSyntaxUID
    assert found == (ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 128, b"\xff\xd8\xff\xe0" + b"x" * 500, b"\0" * 128 + b"DICM"]
)
@pytest.mark.parametrize("suffix", [".dcm", ".DCM", ".ima", ".txt", ""])
def test_what_is_no_dicom_is_quarantined_only_if_it_is_named_so(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    if content.endswith(b"DICM"):  # opens, and the header pass finds nothing in it
        assert len(open_dataset(path, [])) == 0
    elif suffix.lower() in (".dcm", ".ima"):
        assert refusal(path) == ("not_dicom_content" if content else "empty_file")
    else:
        assert refusal(path) == "not_dicom"


@given(content=st.binary(max_size=300))
def test_bytes_at_random_open_or_are_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("random") / "a.dcm"
    for start in (b"", b"\0" * 128 + b"DICM"):
        path.write_bytes(start + content)
        with suppress(RefusedFile), refusing("damaged_header"):
            open_dataset(path, [])


@pytest.mark.parametrize(("syntax", "order"), [(ImplicitVRLittleEndian, "<"), (ExplicitVRBigEndian, ">")])
def test_the_byte_order_is_the_transfer_syntaxs(syntax: str, order: str) -> None:
    ds = radiograph()
    ds.file_meta.TransferSyntaxUID = syntax
    assert byte_order(ds) == order


def test_values_come_as_text_whatever_they_are(tmp_path: Path) -> None:
    ds = Dataset()
    ds.StudyDescription, ds.ImageType, ds.Rows, ds.PatientName = " Knie \x07ap ", ["A", "B"], 7, "A^B"
    ds.add_new("StationName", "UN", b"r\xf6m")
    ds.ProtocolName = None
    assert text(ds, "StudyDescription") == "Knie  ap"
    assert [text(ds, k) for k in ("ImageType", "Rows", "PatientName", "StationName")] == ["A\\B", "7", "A^B", "röm"]
    assert [text(ds, k) for k in ("ProtocolName", "SeriesDescription")] == ["", ""]
    assert "\x07" in raw_text(ds, "StudyDescription")


@given(st.text(max_size=30))
def test_no_text_holds_a_control_character(value: str) -> None:
    ds = Dataset()
    ds.StudyDescription = value
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text(ds, "StudyDescription"))


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("20260301", date(2026, 3, 1)),
        ("2026.03.01", date(2026, 3, 1)),
        ("20240229", date(2024, 2, 29)),
        ("18950101", date(1895, 1, 1)),
        *((bad, None) for bad in ("", "0", "00000000", "20260230", "20261301", "18941231", "22000101", "2026-03-01")),
        *((bad, None) for bad in ("202603", "2026030112", "yyyymmdd", "20260301\\20260302", "１２３４")),
    ],
)
def test_a_date_is_read_or_is_none(value: str, day: date | None) -> None:
    assert parse_date(value) == day


@given(st.text(st.characters(categories=["Nd", "P", "L"]), max_size=10))
def test_no_text_breaks_the_reading_of_dates(value: str) -> None:
    assert parse_date(value) is None or isinstance(parse_date(value), date)


@pytest.mark.parametrize(
    ("raw", "value"), [(b"0.5 ", 0.5), (b"0,5 ", 0.5), (b" 1e2", 100), (b"-3", -3), (b"1\\2", 1), (b"1,5\\2", 1.5)]
)
def test_a_decimal_is_read_also_with_a_comma(raw: bytes, value: float, tmp_path: Path) -> None:
    ds = open_dataset(with_value(tmp_path / "a.dcm", "RescaleSlope", "DS", raw), [])
    assert decimal(ds, "RescaleSlope") == number(ds, "RescaleSlope", 9) == value


@pytest.mark.parametrize("raw", [b"", b"abc ", b"1.2.3 ", b"\\", b"nan ", b"inf ", b"-inf", b"1e999 "])
def test_no_number_gives_the_default(raw: bytes, tmp_path: Path) -> None:
    ds = open_dataset(with_value(tmp_path / "a.dcm", "RescaleSlope", "DS", raw), [])
    assert number(ds, "RescaleSlope", 9) == 9
    assert integer(ds, "RescaleSlope") == 0
    try:
        assert not math.isfinite(decimal(ds, "RescaleSlope"))
    except ValueError:
        assert number(ds, "RescaleSlope", 9) == 9


def test_a_number_under_a_wrong_vr_is_read_all_the_same(tmp_path: Path) -> None:
    ds = open_dataset(with_value(tmp_path / "a.dcm", "Rows", "IS", b"80"), [])
    assert integer(ds, "Rows") == 80


def test_of_several_whole_numbers_the_first_counts(tmp_path: Path) -> None:
    raw = save(radiograph(), tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(spliced(raw, tag_of("Rows"), element(tag_of("Rows"), "US", b"\x50\0\x51\0")))
    assert integer(open_dataset(tmp_path / "a.dcm", []), "Rows") == 80
