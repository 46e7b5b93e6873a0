"""The quick reading of plain headers: it says just what pydicom's reading says, of good files and of damaged ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from support.dicoms import code, radiograph, save
from support.fuzz import write
from support.mutations import KINDS, SYNTAXES, Mutation, Recipe, valid
from support.readers import HEADERS, source_file

from dagster_project.intake.ingestion.headers import header_reader
from dagster_project.intake.ingestion.headers.fast_header import fast_header
from dagster_project.intake.ingestion.headers.header_reader import HeaderRead

KNEE = {"AnatomicRegionSequence": Sequence([code("72696002", "Knee")])}
PLAIN: dict[str, dict[str, Any]] = {
    "as the tests' radiographs are": {},
    "a coded region": KNEE,
    "two coded regions": {"AnatomicRegionSequence": Sequence([code("72696002", "Knee"), code("14975008", "Forearm")])},
    "latin-1": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "M\xfcller^J\xf6rg", "ProtocolName": "F\xfc\xdfe"},
    "utf-8": {"SpecificCharacterSet": "ISO_IR 192", "StudyDescription": "H\xfcfte \u2013 \u0141\xf3d\u017a"},
    "several values": {"OtherPatientIDs": ["A12345", "B12345"], "WindowCenter": [10, 20.5], "WindowWidth": [100, 200]},
    "negative numbers": {"RescaleIntercept": "-1024", "RescaleSlope": "0.50"},
    "empty values": {"PatientName": "", "StudyDate": "", "KVP": "", "AnatomicRegionSequence": Sequence([])},
    "blanks": {"ProtocolName": "  knee  ap ", "Manufacturer": " x \\ y ", "StationName": "a\\b "},
    "sequences that are not read": {"RequestAttributesSequence": Sequence([Dataset(), code("1", "x")])},
}
LEFT_TO_PYDICOM: dict[str, dict[str, Any]] = {
    "an undeclared charset": {"ProtocolName": "Fu\xdf"},
    "a charset by escapes": {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "ProtocolName": "\u80f8\u90e8"},
    "an odd number": {"WindowWidth": "1e3"},
    "control characters": {"ProtocolName": "knee\x07"},
    "several names": {"OtherPatientNames": ["A^B", "C^D"]},
    "a UID with letters": {"StudyInstanceUID": "1.2.abc"},
}


def told(read: HeaderRead) -> list[object]:
    """All that a reading says, without NaN, which is not equal to itself."""
    row = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in (read.row or {}).items()}
    return [read.reasons, row, read.identity, read.label_texts, read.identifiers]


def by_pydicom(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    with monkeypatch.context() as patch:
        patch.setattr(header_reader, "fast_header", lambda *_: None)
        return told(HEADERS(source_file(path)))


def is_plain(path: Path) -> bool:
    return fast_header(path, tuple(header_reader._TAGS)) is not None


@pytest.mark.parametrize("undefined", [False, True], ids=["lengths", "undefined lengths"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], ids=["implicit", "explicit"])
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_is_read_quickly_and_as_pydicom_reads_it(
    name: str, syntax: str, undefined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = radiograph(**PLAIN[name])
    ds.file_meta.TransferSyntaxUID = syntax
    for element in (element for element in ds if element.VR == "SQ"):
        element.is_undefined_length = undefined
        for item in element.value:
            item.is_undefined_length_sequence_item = undefined
    dcmwrite(tmp_path / "a.dcm", ds, enforce_file_format=True)
    assert is_plain(tmp_path / "a.dcm")
    read = HEADERS(source_file(tmp_path / "a.dcm"))
    assert read.row
    assert told(read) == by_pydicom(tmp_path / "a.dcm", monkeypatch)


@pytest.mark.parametrize("name", LEFT_TO_PYDICOM)
def test_what_is_not_plain_is_left_to_pydicom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(radiograph(**LEFT_TO_PYDICOM[name]), tmp_path / "a.dcm")
    assert not is_plain(path)
    assert told(HEADERS(source_file(path))) == by_pydicom(path, monkeypatch)


def test_a_charset_declared_again_after_a_text_is_left_to_pydicom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = radiograph(SpecificCharacterSet="ISO_IR 100", SeriesDescription="F\xfc\xdfe ap")
    content = save(ds, tmp_path / "a.dcm").read_bytes()
    again = b"\x08\0\x05\0CS\x0a\0ISO_IR 192"
    place = content.index(b"\x10\0\x10\0PN")  # before the patient's name
    (tmp_path / "a.dcm").write_bytes(content[:place] + again + content[place:])
    assert not is_plain(tmp_path / "a.dcm")
    assert told(HEADERS(source_file(tmp_path / "a.dcm"))) == by_pydicom(tmp_path / "a.dcm", monkeypatch)


@pytest.mark.parametrize("syntax", [s for s in SYNTAXES if s not in ("big endian", "deflated")])
def test_every_syntax_but_two_rare_ones_is_plain(syntax: str, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(valid(syntax, 0))
    assert is_plain(tmp_path / "a.dcm")


@pytest.mark.slow
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_of_damaged_files_both_readings_say_the_same(
    syntax: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(SYNTAXES.index(syntax))
    for kind in KINDS:
        for _ in range(12):
            mutation = Mutation(kind, random.random() * 0.2, random.getrandbits(32))
            path = write(Recipe(syntax, random.randrange(3), (mutation,)), tmp_path / "a.dcm")
            assert told(HEADERS(source_file(path))) == by_pydicom(path, monkeypatch), mutation


@pytest.mark.parametrize(
    ("length", "plain"), [(1000, True), (7000, True), (20_000, True), (60_000, True), (65_000, False)]
)
def test_a_header_may_be_long_up_to_a_limit(
    length: int, plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(radiograph(TextValue="x" * length), tmp_path / "a.dcm")
    assert is_plain(path) == plain
    assert told(HEADERS(source_file(path))) == by_pydicom(path, monkeypatch)


@pytest.mark.parametrize("left", [0, 7, 8, 11, 12])
def test_a_file_that_ends_at_its_pixel_data(left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = save(radiograph(), tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[: content.index(b"\xe0\x7f\x10\0") + left])
    assert told(HEADERS(source_file(tmp_path / "a.dcm"))) == by_pydicom(tmp_path / "a.dcm", monkeypatch)


def test_a_link_or_a_changed_file_is_refused_as_before(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    listed = source_file(path)
    path.write_bytes(path.read_bytes() + b"\0")
    assert HEADERS(listed).reasons == ["changed"]
    (tmp_path / "link.dcm").symlink_to(path)
    assert HEADERS(replace(listed, path=str(tmp_path / "link.dcm"), modified=0)).reasons == ["unreadable"]
