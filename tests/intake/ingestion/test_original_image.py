"""The original for people: the same image as the second pass read, whole, its burned-in text painted over."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import FileDataset
from support.dicoms import image, radiograph, save

from dagster_project.intake.ingestion.batch.original_image import Original, OriginalReader, Wanted
from dagster_project.intake.ingestion.batch.pixel_reader import PixelReader
from dagster_project.intake.ingestion.cleaning.burned_in_text import text_boxes
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sources import SourceFile

PSEUDONYMS = Pseudonyms(b"k" * 32)
READER = OriginalReader(PSEUDONYMS, (0.5, 99.5), clean=False, max_megapixels=20)


def ingested(ds: FileDataset, path: Path) -> Wanted:
    """The file as the second pass read it."""
    save(ds, path)
    read = PixelReader(64, READER.percentiles, clean=False)(SourceFile(str(path), "", path.stat().st_size))
    assert read.image is not None, read.reasons
    image_id = PSEUDONYMS.of("image", ds.SOPInstanceUID)
    return Wanted(image_id, PSEUDONYMS.of("pixels", read.pixel_digest), str(path))


def shown(original: Original | RefusedFile) -> np.ndarray:
    assert isinstance(original, Original), original
    return np.asarray(Image.open(BytesIO(original.jpeg)), np.float32)


def with_text(shape: tuple[int, int] = (1000, 800)) -> np.ndarray:
    """A 12-bit image with a patient's name and number burned in."""
    page = Image.fromarray((image(3, shape) / 4).astype(np.float32))
    for line, text in enumerate(("MUELLER ANNA 12.03.1961", "ID 4711-2209-55")):
        ImageDraw.Draw(page).text((40, 40 + 60 * line), text, fill=4000.0, font=ImageFont.load_default(36))
    return np.asarray(page).astype(np.uint16)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_it_is_the_whole_image_as_the_second_pass_shows_it(tmp_path: Path, photometric: str) -> None:
    ds = radiograph(1, pixels=image(1, (400, 300)), PhotometricInterpretation=photometric)
    original = READER(ingested(ds, tmp_path / "a.dcm"))
    assert (original.rows, original.columns, original.masked) == (400, 300, None)
    small = PixelReader(300, READER.percentiles, clean=False)(SourceFile(str(tmp_path / "a.dcm"), "", 1)).image
    reduced = np.asarray(Image.fromarray(shown(original)).resize((225, 300), Image.Resampling.BOX))
    left = (300 - 225) // 2
    assert np.abs(reduced - small[:, left : left + 225]).mean() < 2


def test_burned_in_text_is_painted_over_in_it_too(tmp_path: Path) -> None:
    wanted = ingested(radiograph(2, pixels=with_text()), tmp_path / "a.dcm")
    assert len(text_boxes(shown(READER(wanted)))) == 2, "without masking it can be read"
    original = replace(READER, clean=True)(wanted)
    assert original.masked > 0
    assert text_boxes(shown(original)) == []


def test_a_image_without_text_says_that_none_was_found(tmp_path: Path) -> None:
    wanted = ingested(radiograph(2, pixels=image(1, (300, 300))), tmp_path / "a.dcm")
    assert replace(READER, clean=True)(wanted).masked == 0


def test_a_file_that_is_no_longer_the_one_ingested_is_not_shown(tmp_path: Path) -> None:
    wanted = ingested(radiograph(1), tmp_path / "a.dcm")
    save(radiograph(1, pixels=image(9)), tmp_path / "a.dcm")
    assert READER(wanted).reason == "changed"
    save(radiograph(2, pixels=image(1)), tmp_path / "a.dcm")
    assert READER(wanted).reason == "changed", "the same pixels of another patient"


def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path: Path) -> None:
    wanted = ingested(radiograph(1), tmp_path / "a.dcm")
    assert replace(READER, max_megapixels=0.001)(wanted).reason == "too_large"
    (tmp_path / "a.dcm").write_bytes(b"\0" * 2000)
    assert READER(wanted).reason == "not_dicom_content"
    (tmp_path / "a.dcm").unlink()
    assert READER(wanted).reason == "unreadable"


def test_a_very_large_image_is_shown_smaller_and_its_true_size_told(tmp_path: Path) -> None:
    wide = np.tile(np.arange(5000, dtype=np.uint16) % 4000, (40, 1))
    original = READER(ingested(radiograph(1, pixels=wide), tmp_path / "a.dcm"))
    assert (original.rows, original.columns) == (40, 5000)
    assert shown(original).shape == (33, 4096)


def test_the_jpeg_holds_nothing_but_the_image(tmp_path: Path) -> None:
    wanted = ingested(radiograph(7), tmp_path / "a.dcm")
    jpeg = READER(wanted).jpeg
    assert b"CANARY" not in jpeg
    assert not Image.open(BytesIO(jpeg)).getexif()
    assert hashlib.sha256(jpeg).digest() == hashlib.sha256(READER(wanted).jpeg).digest()
