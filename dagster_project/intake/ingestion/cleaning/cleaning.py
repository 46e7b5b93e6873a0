"""Remove burned-in text, borders and markers before resizing, because they reveal the patient or the room.

In this order: lines of text are masked anywhere in the image (burned_in_text.py), borders are cut off, and small
markers are blanked. Borders and markers are only removed if they cannot be anatomy: black or white margins without
content, and small white (or black) marks that are isolated on even ground near a margin. An image without text,
borders and markers stays the same, bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from scipy import ndimage

from dagster_project.intake.ingestion.cleaning.burned_in_text import SIDE as SEARCHED
from dagster_project.intake.ingestion.cleaning.burned_in_text import without_text
from dagster_project.intake.ingestion.headers.elements import integer, text
from dagster_project.intake.ingestion.pixels.lazy_image import Box, GreyImage
from dagster_project.intake.ingestion.pixels.letterbox import fitted, sketched_and_fitted

_EVEN = 12.0  # of 255 grey levels: maximum difference in one line of a margin, from noise and JPEG artefacts
_EXTREME = 16.0  # grey levels: maximum distance of a margin from black or white
_SEAM = 2  # px: maximum width of the transition between two margins
_LEAST_LEFT = 0.3  # of either side: if less would remain, nothing is cut
_DECLARED_SPREAD = 40.0  # grey levels, 5th to 95th percentile: maximum outside a declared edge, without content
_INK = 150.0  # minimum grey level of a mark
_BRIGHTEST = 230.0  # minimum grey level of a mark's brightest pixel, as strokes may be thinner than a pixel
_GROUND = 90.0  # maximum grey level around a mark
_GROUND_SPREAD = 25.0  # grey levels, 5th to 95th percentile: maximum around a mark
_NEAR = 0.25  # of the side: maximum distance of a mark's centre from a margin
_LARGEST = 0.012  # of the image: maximum ink of one mark
_MOST_BLANKED = 0.04  # of the image: if more would be blanked, nothing is
_EDGE = 1  # of every second px: soft edge of a stroke; strokes of one mark are at most twice this apart
_RING = 2  # of every second px: width of the ring around a mark that must be even ground


@dataclass(frozen=True)
class Cleaned:
    """`image` is float32 (rows, columns) with the requested longest side; the shares are of its area, in 0..1."""

    image: np.ndarray
    cropped: float = 0.0
    blanked: float = 0.0
    masked: float = 0.0


def clean(image: GreyImage, declared: Box | None, side: int) -> Cleaned:
    """Mask an image's text, cut off its margins, fit it to `side`, and blank its marks.

    `image` is (Rows, Columns) in 0..255.

    `declared`: the field that the header declares, in the image's pixels. An edge of the field counts only if there is
    no content outside it.
    """
    sketch, small = sketched_and_fitted(image, SEARCHED, side)
    image, masked = without_text(image, sketch)
    if masked:
        small = fitted(image, side)
    unmarked, blanked = without_marks(small)
    scale = np.array(image.shape).repeat(2) / np.array(small.shape).repeat(2)
    box = _declared_field(unmarked, declared, scale) if declared else (0, small.shape[0], 0, small.shape[1])
    box = content_box(unmarked, box)
    if box == (0, small.shape[0], 0, small.shape[1]):
        return Cleaned(unmarked, 0.0, blanked, masked)
    top, bottom, left, right = _outwards(box, scale)
    unmarked, blanked = without_marks(fitted(image, side, (top, bottom, left, right)))
    return Cleaned(unmarked, 1 - (bottom - top) * (right - left) / (image.shape[0] * image.shape[1]), blanked, masked)


def content_box(image: np.ndarray, within: Box) -> Box:
    """The part of an image (rows, columns) in 0..255 inside its black and white margins, searched in `within`.

    Margins may be nested, such as a black border in a white frame. Returns `within` if under 30 % of a side is left.
    """
    box, before = within, None
    while box != before:
        before = box
        top, bottom, left, right = box
        top, bottom = _without_margins(image[:, left:right], top, bottom)
        left, right = _without_margins(image[top:bottom].T, left, right)
        box = top, bottom, left, right
        if bottom - top < _LEAST_LEFT * (within[1] - within[0]) or right - left < _LEAST_LEFT * (within[3] - within[2]):
            return within
    return box


def _without_margins(lines: np.ndarray, first: int, beyond: int) -> tuple[int, int]:
    """The range of lines (L, n), within `first` to `beyond`, without the margins at both ends."""
    if lines.shape[1] <= 2 * _SEAM:
        return first, first
    lines = lines[first:beyond, _SEAM:-_SEAM]  # without the transitions of the crossing margins
    low, high = lines.min(axis=1), lines.max(axis=1)
    even = high - low <= _EVEN
    extreme = even & ((high <= _EXTREME) | (low >= 255 - _EXTREME))
    return first + _margin(even, extreme), max(beyond - _margin(even[::-1], extreme[::-1]), first)


def _margin(even: np.ndarray, extreme: np.ndarray) -> int:
    """The number of margin lines at the start: up to the last extreme line, including blurred seams of even lines."""
    margin = 0
    for line in range(len(even)):
        if extreme[line]:
            margin = line + 1
        elif not even[line] or line - margin >= _SEAM:
            break
    return margin


def without_marks(image: np.ndarray) -> tuple[np.ndarray, float]:
    """An image (rows, columns) in 0..255 with its burned-in marks filled by the surrounding ground, and their share.

    The image itself is returned if there are no marks, or so many that they are probably something else.
    """
    bright, dark = (_marks(image), _marks(255 - image)) if min(image.shape) > 1 else ([], [])
    if not (bright or dark):
        return image, 0.0
    found = image.copy()
    for (rows, columns), level in [*bright, *((place, 255 - level) for place, level in dark)]:
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            found[2 * rows + down, 2 * columns + right] = level
    share = float((found != image).mean())
    return (found, share) if share <= _MOST_BLANKED else (image, 0.0)


def _marks(image: np.ndarray) -> list[tuple[tuple[np.ndarray, np.ndarray], float]]:
    """The places of each bright mark, including its soft edge, and the level of the surrounding ground.

    Only every second row and column is searched and returned, which takes a fourth of the time.
    """
    wide = np.maximum(image[:, :-1:2], image[:, 1::2])
    brightest = np.maximum(wide[:-1:2], wide[1::2])
    ground = image[:-1:2, :-1:2]
    ink = brightest >= _INK
    labels, _ = ndimage.label(_grown(ink, _EDGE), np.ones((3, 3)))
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        middle = np.array([(part.start + part.stop) / 2 for part in place]) / ink.shape
        if np.minimum(middle, 1 - middle).min() > _NEAR:
            continue
        place = tuple(slice(max(part.start - _RING, 0), part.stop + _RING) for part in place)
        mark = labels[place] == number
        around = np.sort(ground[place][_grown(mark, _RING) & (labels[place] == 0)])
        too_large = (ink[place] & mark).sum() > _LARGEST * ink.size
        if too_large or not around.size or brightest[place][mark].max() < _BRIGHTEST:
            continue
        low, level, high = around[[len(around) // 20, len(around) // 2, -1 - len(around) // 20]]
        if high <= _GROUND and high - low <= _GROUND_SPREAD:
            rows, columns = np.nonzero(mark)
            found.append(((rows + place[0].start, columns + place[1].start), float(level)))
    return found


def _grown(mask: np.ndarray, reach: int) -> np.ndarray:
    return ndimage.maximum_filter(mask.view(np.uint8), 2 * reach + 1, mode="constant").view(bool)


def declared_field(ds: Dataset) -> Box | None:
    """The rectangular field, exposed or shown, that a header declares, in pixels; None if there is none.

    The collimator (PS3.3 C.8.7.3) comes before the display shutter (C.7.6.11). Edges are row and column numbers from 1.
    """
    for kind in ("Collimator", "Shutter"):
        if "RECTANGULAR" in text(ds, f"{kind}Shape").upper():
            names = ("UpperHorizontal", "LowerHorizontal", "LeftVertical", "RightVertical")
            top, bottom, left, right = (integer(ds, f"{kind}{name}Edge") for name in names)
            if 0 < top < bottom <= integer(ds, "Rows") and 0 < left < right <= integer(ds, "Columns"):
                return top - 1, bottom, left - 1, right
    return None


def _declared_field(small: np.ndarray, declared: Box, scale: np.ndarray) -> Box:
    """The declared field in the pixels of `small`; an edge is ignored if there is content outside it."""
    rows, columns = small.shape
    top, left = (int(declared[i] / scale[i]) for i in (0, 2))
    bottom, right = (int(np.ceil(declared[i] / scale[i])) for i in (1, 3))
    if bottom - top < _LEAST_LEFT * rows or right - left < _LEAST_LEFT * columns:
        return 0, rows, 0, columns
    beyond = small[:top], small[bottom:], small[:, :left], small[:, right:]
    empty = [not strip.size or np.ptp(np.percentile(strip, (5, 95))) <= _DECLARED_SPREAD for strip in beyond]
    return tuple(  # type: ignore[return-value]
        edge if holds else whole
        for edge, whole, holds in zip((top, bottom, left, right), (0, rows, 0, columns), empty, strict=True)
    )


def _outwards(box: Box, scale: np.ndarray) -> Box:
    """A box of the reduced image in the pixels of the whole image, rounded outwards."""
    top, bottom, left, right = box * scale
    return int(top), int(np.ceil(bottom)), int(left), int(np.ceil(right))
