"""How large a file may be: what would fill a process is refused, and what a radiograph needs is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.dicoms import image, radiograph, save
from support.hostile import deflated, element, tag_of
from support.readers import HEADERS, read_header, source_file

SMALL = replace(HEADERS, max_megapixels=0.1)  # 316 x 316 pixels; a file may have 32 MiB


@pytest.mark.parametrize(("inflated", "reasons"), [(8 << 20, []), (40 << 20, ["too_large"])])
def test_a_deflated_file_may_inflate_to_a_limit(inflated: int, reasons: list[str], tmp_path: Path) -> None:
    path = deflated(radiograph(), tmp_path / "a.dcm", element(tag_of("StudyComments"), "UT", bytes(inflated)))
    assert SMALL(source_file(path)).reasons == reasons


def test_a_file_may_be_large_to_a_limit(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "a.dcm")
    file = source_file(path)
    assert SMALL(replace(file, size=32 << 20, modified=0)).reasons == []
    assert SMALL(replace(file, size=(32 << 20) + 1, modified=0)).reasons == ["too_large"]


@pytest.mark.parametrize(("shape", "reasons"), [((316, 316), []), ((316, 317), ["too_large"])])
def test_a_image_may_have_pixels_to_a_limit(shape: tuple[int, int], reasons: list[str], tmp_path: Path) -> None:
    path = save(radiograph(pixels=image(0, shape)), tmp_path / "a.dcm")
    assert SMALL(source_file(path)).reasons == reasons


def test_a_text_of_64_kilobytes_is_read(tmp_path: Path) -> None:
    path = save(radiograph(ImageComments="x" * 65_534, StudyDescription="y" * 65_534), tmp_path / "a.dcm")
    assert read_header(path).row is not None
