"""Names, dates and numbers burned into an image are painted over; anatomy and side markers stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from support.dicoms import radiograph, save
from support.displayed import displayed
from support.readers import source_file

from benchmarks.intake.planted_text import FONTS, INKS, plant
from dagster_project.intake.ingestion.batch.pixel_reader import PixelReader
from dagster_project.intake.ingestion.cleaning.burned_in_text import Box, _is_one_letter, text_boxes, without_text
from dagster_project.intake.ingestion.cleaning.cleaning import clean
from dagster_project.intake.ingestion.pixels.letterbox import fitted
from raytruth_phantom.hospital import write_hospital

pytestmark = pytest.mark.slow


def limb(rows: int = 1200, columns: int = 900) -> np.ndarray:
    """A bright, grainy limb across a dark ground, float32 in 0..255."""
    y, x = np.mgrid[0:rows, 0:columns]
    thick = np.clip(1 - ((x - columns / 2 - 40 * np.sin(y / 200)) / (0.2 * columns)) ** 2, 0, None) ** 0.5
    drawn = 30 + 150 * thick + np.random.default_rng(0).normal(0, 3, (rows, columns))
    return drawn.clip(0, 255).astype(np.float32)


def written(
    image: np.ndarray, text: str, at: tuple[int, int], size: int = 34, level: int = 255
) -> tuple[np.ndarray, Box]:
    """The image with a text, and the text's bounding box."""
    page = Image.fromarray(image)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(page).text(at, text, fill=level, font=font)
    left, top, right, bottom = map(round, ImageDraw.Draw(page).textbbox(at, text, font=font))
    return np.asarray(page), (top, bottom, left, right)


def covered(box: Box, by: list[Box], shape: tuple[int, ...]) -> float:
    mask = np.zeros(shape, bool)
    for top, bottom, left, right in by:
        mask[top:bottom, left:right] = True
    return float(mask[box[0] : box[1], box[2] : box[3]].mean())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """Images of the synthetic hospital, enlarged as a detector's are; no text of their own."""
    out = tmp_path_factory.mktemp("hospital") / "north"
    write_hospital(out, patients=3, seed=3, out_of_domain=0, workers=1)
    shown = [255 * displayed(path) for path in sorted(out.rglob("*.dcm"))[:9]]
    large = [fitted(image.astype(np.float32), 1200) for image in shown]
    return [image for image in large if not text_boxes(image)]


@pytest.mark.parametrize("at", [(12, 10), (420, 12), (300, 600), (520, 1140)], ids=["corner", "edge", "limb", "bottom"])
@pytest.mark.parametrize("text", ["MUELLER^HANS", "12.04.1960", "ID: 4711082", "Kowalski, Ewa 1960-04-12"])
def test_a_line_of_text_is_covered_wherever_it_stands(text: str, at: tuple[int, int]) -> None:
    image, box = written(limb(), text, at)
    assert covered(box, text_boxes(image), image.shape) > 0.8


def test_black_text_upright_text_and_text_in_a_small_image_are_covered() -> None:
    dark, box = written(255 - limb(), "GARCIA, Maria", (20, 20), level=0)
    assert covered(box, text_boxes(dark), dark.shape) > 0.8
    turned, (top, bottom, left, right) = written(np.rot90(limb()).copy(), "GARCIA, Maria", (20, 20))
    upright = np.rot90(turned, -1)
    box = left, right, upright.shape[1] - bottom, upright.shape[1] - top
    assert covered(box, text_boxes(upright), upright.shape) > 0.8
    small, box = written(limb(480, 360), "GARCIA, Maria", (10, 10), size=18)
    assert covered(box, text_boxes(small), small.shape) > 0.8


@pytest.mark.parametrize("share", [0.09, 0.12])
def test_a_name_in_large_letters_is_covered(share: float) -> None:
    """Better too much painted over than a name left."""
    image, box = written(np.full((800, 800), 60.0), "MEIER", (70, 270), size=round(share * 800))
    assert covered(box, text_boxes(image), image.shape) > 0.8


def test_what_is_painted_over_can_no_longer_be_read_and_the_rest_is_untouched() -> None:
    image, (top, bottom, left, right) = written(limb(), "NGUYEN THI 19600412", (12, 10))
    masked, share = without_text(image)
    painted = masked[:]
    assert text_boxes(masked) == text_boxes(painted) == []
    assert np.ptp(painted[top:bottom, left:right]) == 0
    assert share == pytest.approx((painted != image).mean(), abs=0.01)
    assert 0 < share < 0.05
    np.testing.assert_array_equal(painted[80:], image[80:])


def test_images_of_the_synthetic_hospital_stay_as_they_are_and_text_planted_in_them_goes(
    images: list[np.ndarray],
) -> None:
    assert len(images) > 5
    rng = np.random.default_rng(5)
    lines = [plant(image, rng) for image in images for _ in range(2)]
    found = [without_text(planted)[0][:] for planted, _ in lines]
    gone = [
        float((painted != planted)[line.ink].mean()) > 0.8
        for (planted, line), painted in zip(lines, found, strict=True)
        if line.height > 0.014
    ]
    assert len(gone) > 10
    assert np.mean(gone) >= 0.9
    assert {line.font for _, line in lines} <= set(FONTS)
    assert {line.ink_kind for _, line in lines} <= set(INKS)


@pytest.mark.parametrize("letter", ["R", "L"])
def test_a_side_marker_is_no_text(letter: str) -> None:
    image, _ = written(limb(), letter, (40, 40), size=80)
    assert text_boxes(image) == []


def test_text_in_a_border_holds_neither_the_border_nor_itself() -> None:
    framed, _ = written(np.pad(limb(), 120), "MUELLER^HANS 1960", (200, 40))
    found = clean(framed, None, 256)
    assert found.masked > 0
    assert found.cropped == pytest.approx(1 - limb().size / framed.size, abs=0.04)


def test_an_ingested_file_tells_that_text_was_masked_and_the_cache_no_longer_shows_it(tmp_path: Path) -> None:
    plain = limb(600, 450)
    marked, _ = written(plain, "MUELLER, HANS", (30, 120), size=40)
    files = [
        save(radiograph(pixels=(image * 16).astype(np.uint16)), tmp_path / f"{name}.dcm")
        for name, image in (("plain", plain), ("marked", marked))
    ]
    kept, masked = (PixelReader(480, (0.5, 99.5), clean=how) for how in (False, True))
    nothing, found = (masked(source_file(file)) for file in files)
    assert (nothing.masked, "text_masked" in nothing.reasons) == (0, False)
    assert 0 < found.masked < 0.1
    assert "text_masked" in found.reasons
    for read, legible in ((kept(source_file(files[1])), True), (found, False)):
        assert read.image is not None
        assert bool(text_boxes(read.image.astype(np.float32))) == legible


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (3000, 2), (40, 40)])
def test_a_image_of_any_shape_is_searched(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).choice([0, 255], shape).astype(np.float32)
    painted, share = without_text(noise)
    assert painted.shape == shape
    assert 0 <= share <= 1


def test_the_search_loads_no_opencv_and_needs_no_network(tmp_path: Path) -> None:
    script = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import numpy as np\n"
        "from PIL import Image, ImageDraw, ImageFont\n"
        "page = Image.new('F', (600, 400), 30.0)\n"
        "ImageDraw.Draw(page).text((20, 20), 'MUELLER HANS', fill=255.0, font=ImageFont.load_default(30))\n"
        "from dagster_project.intake.ingestion.cleaning.burned_in_text import text_boxes\n"
        "print(len(text_boxes(np.asarray(page))), sorted({'cv2', 'shapely', 'pyclipper'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split(maxsplit=1)[0] != "0"
    assert done.stdout.strip().endswith("[]")


def sign(text: str, ground: int, ink: int, *, frame: str = "") -> np.ndarray:
    """A uint8 image of 100 px a side with large letters, on a plate or in a ring that is cut off at the corners."""
    page = Image.new("L", (100, 100), 40)
    draw = ImageDraw.Draw(page)
    if frame == "plate":
        draw.rectangle((8, 8, 92, 92), fill=ground)
    if frame == "ring":
        draw.ellipse((-16, -16, 116, 116), outline=ink, width=3)
    draw.text((50, 50), text, fill=ink, font=ImageFont.load_default(60 if len(text) == 1 else 44), anchor="mm")
    return np.asarray(page)


FRAMES = [(40, 255, ""), (40, 255, "ring"), (230, 0, "plate")]


@pytest.mark.parametrize("text", ["L", "S"])
@pytest.mark.parametrize(("ground", "ink", "frame"), FRAMES)
def test_a_single_letter_is_known_by_its_stroke(text: str, ground: int, ink: int, frame: str) -> None:
    assert _is_one_letter(sign(text, ground, ink, frame=frame))
    assert _is_one_letter(sign("R", 40, 255, frame="ring")), "one that encloses a place, not on a plate"


@pytest.mark.parametrize("text", ["ID", "Li", "HK", "AB"])
@pytest.mark.parametrize(("ground", "ink", "frame"), FRAMES)
def test_two_letters_are_no_single_one_and_are_read(text: str, ground: int, ink: int, frame: str) -> None:
    assert not _is_one_letter(sign(text, ground, ink, frame=frame))
    assert not _is_one_letter(np.full((10, 40), 9, np.uint8)), "nor is anything long"
