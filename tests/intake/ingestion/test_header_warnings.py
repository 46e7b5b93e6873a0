"""Warnings about files that are used all the same: given where they are due, and not where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, generate_uid
from support.dicoms import image, radiograph, save
from support.hostile import deflated, with_value

from dagster_project.intake.ingestion.headers.elements import open_dataset
from dagster_project.intake.ingestion.headers.header_warnings import warnings_of_content, warnings_of_header
from dagster_project.intake.ingestion.headers.reasons import RefusedFile


def header(folder: Path, **elements: Any) -> list[str]:
    return warnings_of_header(open_dataset(save(radiograph(**elements), folder / "a.dcm"), []))


def content(path: Path, stored: np.ndarray | None = None) -> list[str]:
    ds = open_dataset(path, [])
    return warnings_of_content(ds, image(0) if stored is None else stored, path.stat().st_size)


def nested_items(depth: int) -> Sequence:
    item = Dataset()
    item.CodeValue = "x"
    for _ in range(depth):
        outer = Dataset()
        outer.ConceptCodeSequence = Sequence([item])
        item = outer
    return Sequence([item])


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("Knie <2 cm", False),
        ("a < b > c", False),
        ("<b>Knie</b>", True),
        ("<!-- x", True),
        ("</td>", True),
        ("=HYPERLINK(A1)", True),
        ("@SUM(1)", True),
        ("-2+3+cmd|' /C calc'!A0", True),
        ("-30 Grad", False),
        ("+ Patella", False),
        ("Knie = 2 Ebenen", False),
        ("Knie\tre", True),
        ("Knie\x7f", True),
        ("Überblick", False),
    ],
)
def test_markup_formulas_and_control_characters_are_told_from_plain_text(text: str, odd: bool, tmp_path: Path) -> None:
    found = header(tmp_path, SpecificCharacterSet="ISO_IR 192", StudyDescription=text)
    assert found == (["odd_text"] if odd else [])


@pytest.mark.parametrize("declared", ["ISO_IR 100", "ISO_IR 192", "ISO_IR 6", ["", "ISO 2022 IR 87"], "GB18030"])
def test_a_standard_character_set_is_no_trouble(declared: str | list[str], tmp_path: Path) -> None:
    assert header(tmp_path, SpecificCharacterSet=declared) == []


def test_bytes_that_do_not_fit_the_character_set_are_trouble(tmp_path: Path) -> None:
    undeclared = with_value(tmp_path / "a.dcm", "PatientName", "PN", b"M\xfcller")
    assert warnings_of_header(open_dataset(undeclared, [])) == ["charset"]


@pytest.mark.parametrize("keyword", ["KVP", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"])
@pytest.mark.parametrize(
    ("raw", "bad"), [(b"1,5 ", True), (b"abc ", True), (b"nan ", True), (b"1.5 ", False), (b"", False)]
)
def test_a_decimal_that_is_none_is_named(keyword: str, raw: bytes, bad: bool, tmp_path: Path) -> None:
    path = with_value(tmp_path / "a.dcm", keyword, "DS", raw)
    assert warnings_of_header(open_dataset(path, [])) == (["bad_number"] if bad else [])


def test_private_attributes_and_bytes_after_the_pixels_are_named(tmp_path: Path) -> None:
    ds = radiograph()
    ds.private_block(0x0011, "X", create=True).add_new(1, "LO", "x")
    path = save(ds, tmp_path / "a.dcm")
    assert content(path) == ["private_tags"]
    path.write_bytes(path.read_bytes() + b"\0")
    assert content(path) == ["private_tags", "pixel_padding"]


def test_a_usual_deflated_or_compressed_file_has_nothing_odd(tmp_path: Path) -> None:
    assert content(save(radiograph(), tmp_path / "a.dcm")) == []
    assert content(deflated(radiograph(), tmp_path / "b.dcm")) == []
    packed = radiograph()
    packed.compress(JPEG2000Lossless)
    assert content(save(packed, tmp_path / "c.dcm")) == []


def test_bits_above_the_stored_ones_are_named_in_native_data_only(tmp_path: Path) -> None:
    pixels = image(0)
    pixels[0, 0] |= 0x8000
    assert content(save(radiograph(pixels=pixels), tmp_path / "a.dcm")) == ["high_bits"]


@pytest.mark.parametrize(("depth", "refused"), [(1, False), (60, False), (70, True), (200, True)])
def test_sequences_are_followed_to_a_limit_only(depth: int, refused: bool, tmp_path: Path) -> None:
    path = save(radiograph(RequestAttributesSequence=nested_items(depth)), tmp_path / "a.dcm")
    if refused:
        with pytest.raises(RefusedFile, match="nested_too_deep"):
            content(path)
    else:
        assert content(path) == []


@pytest.mark.slow
def test_masses_of_elements_in_sequences_are_too_large(tmp_path: Path) -> None:
    item = Dataset()
    for element in range(0x1000, 0x1000 + 500):
        item.add_new((0x0029, element), "UN", b"")
    path = save(radiograph(RequestAttributesSequence=Sequence([item] * 101)), tmp_path / "a.dcm")
    with pytest.raises(RefusedFile, match="too_large"):
        content(path)


def test_many_items_beside_each_other_are_not_deep(tmp_path: Path) -> None:
    items = []
    for _ in range(500):
        item = Dataset()
        item.ReferencedSOPInstanceUID = generate_uid()
        items.append(item)
    assert content(save(radiograph(ReferencedImageSequence=Sequence(items)), tmp_path / "a.dcm")) == []
