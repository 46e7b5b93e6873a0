"""Text like the text that consoles burn into images: names, dates, numbers; several fonts, sizes, inks, places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral", "cmss10", "bitmap")
HEIGHTS = (0.012, 0.016, 0.024, 0.032, 0.048)  # of a letter's line, as a share of the image's longest side
INKS = ("white", "black", "grey", "white on black", "black on white")
PLACES = ("corner", "edge", "anywhere", "upright")  # upright: turned by 90 degrees, along a side
_SURNAMES = ("MUELLER", "Schmidt", "GARCIA", "O'Brien", "Kowalski", "NGUYEN", "Lindqvist", "DUPONT", "Yilmaz", "Li")
_NAMES = ("Anna", "HANS", "Maria", "Jose", "PETER", "Ewa", "Thi", "Karl-Heinz", "JEAN", "Mo")
_CONTRAST, _LEGIBLE = 50, 0.9  # grey levels, of 255, from the background, for at least this share of the text
_TRIES = 20
_ROOM = 0.01  # of the longest side, between a text and the margin


@dataclass(frozen=True)
class Planted:
    """One line of text: `ink` is bool (rows, columns), true at its letters."""

    font: str
    height: float
    ink_kind: str
    place: str
    ink: np.ndarray


def wording(rng: np.random.Generator) -> str:
    """A typical burned-in line: a name, a name with its date of birth, an ID, an accession number, a date and time."""
    surname, name = rng.choice(_SURNAMES), rng.choice(_NAMES)
    year, month, day = rng.integers(1925, 2020), rng.integers(1, 13), rng.integers(1, 29)
    kinds = (
        f"{surname}, {name}",
        f"{surname}^{name}",
        f"{name} {surname} {day:02d}.{month:02d}.{year}",
        f"{surname} {name} *{year}-{month:02d}-{day:02d}",
        f"ID: {rng.integers(10**5, 10**8)}",
        f"PID{rng.integers(10**6, 10**9)} {rng.choice(['M', 'F'])}",
        f"ACC {rng.integers(10**4, 10**6)}-{rng.integers(1, 99)}",
        f"{day:02d}.{month:02d}.{year}",
        f"DOB {month:02d}/{day:02d}/{year}",
        f"{year}-{month:02d}-{day:02d} {rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}",
    )
    return str(rng.choice(kinds))


def plant(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Planted]:
    """A float32 image (rows, columns) in 0..255 with one line of text drawn into it."""
    font, height = str(rng.choice(FONTS)), float(rng.choice(HEIGHTS))
    kind, place = str(rng.choice(INKS)), str(rng.choice(PLACES))
    letters = _letters(wording(rng), font, round(height * max(image.shape)))
    if place == "upright":
        letters = np.rot90(letters)
    rows, columns = image.shape
    letters = letters[: rows - 2, : columns - 2]
    level = {"white": 255.0, "black": 0.0, "grey": 190.0, "white on black": 255.0, "black on white": 0.0}[kind]
    for _ in range(_TRIES):
        top, left = _position(place, letters.shape, image.shape, rng)
        inside = slice(top, top + letters.shape[0]), slice(left, left + letters.shape[1])
        ground = np.full(letters.shape, 255 - level, np.float32) if " on " in kind else image[inside]
        if (np.abs(ground - level) >= _CONTRAST).mean() >= _LEGIBLE:
            break
    else:  # nowhere legible in this ink, such as black on a dark background
        return plant(image, rng)
    drawn = image.copy()
    drawn[inside] = ground * (1 - letters) + level * letters
    ink = np.zeros(image.shape, bool)
    ink[inside] = letters > 0.5
    return drawn, Planted(font, height, kind, place, ink)


def _letters(text: str, font: str, size: int) -> np.ndarray:
    """The text as coverage in 0..1, float32, with a small margin."""
    if font == "bitmap":  # like overlays of older consoles: every dot several pixels wide
        face, zoom = ImageFont.load_default_imagefont(), max(1, round(size / 11))
    else:
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        face, zoom = ImageFont.truetype(folder / f"{font}.ttf", size), 1
    left, top, right, bottom = face.getbbox(text)
    pad = max(2, size // (8 * zoom))
    page = Image.new("L", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad))
    ImageDraw.Draw(page).text((pad - left, pad - top), text, fill=255, font=face)
    return np.asarray(page, np.float32).repeat(zoom, 0).repeat(zoom, 1) / 255


def _position(place: str, shape: tuple[int, ...], within: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
    room = round(_ROOM * max(within))
    most = [max(w - s, 0) for w, s in zip(within, shape, strict=True)]
    ends = [(min(room, m), max(m - room, 0)) for m in most]
    top, left = int(rng.integers(0, most[0] + 1)), int(rng.integers(0, most[1] + 1))
    if place == "corner":
        return int(rng.choice(ends[0])), int(rng.choice(ends[1]))
    if place == "edge":
        return int(rng.choice(ends[0])), left
    if place == "upright":
        return top, int(rng.choice(ends[1]))
    return top, left
