"""Content burned into the image: lead side markers, rulers, console text. Never an identity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from raytruth_phantom.detector import WHITE
from raytruth_phantom.sites import Site

_TEXTS = {
    "en": ("AP", "PA", "LAT", "STANDING", "SUPINE", "PORTABLE"),
    "de": ("AP", "SEITL.", "STEHEND", "LIEGEND", "a.p."),
}


def annotate(
    pixels: NDArray[np.uint16], side: str, site: Site, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], bool]:
    """Burn a side marker (`side` R, L or empty), perhaps text and a ruler into a copy of `pixels` (rows, columns).

    Returns the image and whether anything was burned in.
    """
    rows, columns = pixels.shape
    layer = Image.new("L", (columns, rows), 0)
    draw = ImageDraw.Draw(layer)
    letter = side if rng.random() < 0.75 else ""
    if letter:
        _marker(draw, letter, rng, rows, columns)
    text = bool(rng.random() < 0.2)
    if text:
        words = str(rng.choice(_TEXTS[site.language]))
        size = int(rng.integers(10, max(12, columns // 22)))
        place = (columns * rng.uniform(0.02, 0.55), rows * float(rng.choice([0.02, 0.93])))
        draw.text(place, words, fill=int(rng.integers(150, 256)), font=ImageFont.load_default(size))
    ruler = bool(rng.random() < site.ruler)
    if ruler:
        _ruler(draw, rng, rows, columns)
    if not (letter or text or ruler):
        return pixels, False
    ink = np.asarray(layer, np.float32) / 255
    return np.rint(pixels + (WHITE - pixels) * ink).astype(np.uint16), True


def _marker(draw: ImageDraw.ImageDraw, letter: str, rng: np.random.Generator, rows: int, columns: int) -> None:
    """A lead letter, sometimes in a ring or on a bar, in a corner."""
    size = int(max(rows, columns) * rng.uniform(0.035, 0.085))
    x = columns * float(rng.choice([rng.uniform(0.03, 0.2), rng.uniform(0.78, 0.9)]))
    y = rows * float(rng.choice([rng.uniform(0.03, 0.25), rng.uniform(0.7, 0.88)]))
    font = ImageFont.load_default(max(size, 9))
    ink = int(rng.integers(200, 256))
    style = rng.integers(0, 4)
    if style == 0:
        draw.ellipse(
            (x - 0.3 * size, y - 0.05 * size, x + size, y + 1.25 * size), outline=ink, width=max(1, size // 12)
        )
    elif style == 1:
        draw.rectangle((x - 0.4 * size, y + 1.25 * size, x + 1.1 * size, y + 1.4 * size), fill=ink)
    draw.text((x, y), letter, fill=ink, font=font)


def _ruler(draw: ImageDraw.ImageDraw, rng: np.random.Generator, rows: int, columns: int) -> None:
    """A scale along one edge."""
    ink = int(rng.integers(150, 240))
    step = max(6, rows / rng.integers(18, 30))
    x = columns * float(rng.choice([0.02, 0.97]))
    inward = 1 if x < columns / 2 else -1
    draw.line((x, 0.1 * rows, x, 0.9 * rows), fill=ink)
    for i in range(int(0.8 * rows / step)):
        length = columns * (0.035 if i % 5 == 0 else 0.018)
        draw.line((x, 0.1 * rows + i * step, x + inward * length, 0.1 * rows + i * step), fill=ink)
