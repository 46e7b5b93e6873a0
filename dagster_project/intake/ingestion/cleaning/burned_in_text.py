"""Find lines of burned-in text (names, dates, numbers), read them to be sure, and mask them.

There are three steps, each on the results of the step before, so that most images need little more than the first
step: find regions with dense strokes; find lines there with a network; check which lines a second network can read.
Hands, feet and spines look like lines of text to the first network, but cannot be read. Single letters are left to
`cleaning`: an L or R marks a side, not a patient. The text that was read is discarded and not used for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from dagster_project.intake.ingestion.cleaning.ocr_models import STRIDE, read_line, text_map
from dagster_project.intake.ingestion.pixels.lazy_image import Box, Covered, GreyImage
from dagster_project.intake.ingestion.pixels.letterbox import sketched

SIDE = 960  # px, longest side of the searched image; a line must be about 10 px high in this image

# Search regions: cells in which grey levels rise and fall steeply in both directions
_CELL = 16  # px
_STEEP = 32  # grey levels of 255 over two px
_STEEP_SHARE = 0.02  # minimum share of rising and of falling pixels nearby, across and down
_AROUND = 12  # px around the strokes, at least, as context for the network
_MOST_REGIONS, _MOST_AREA = 12, 0.6  # above either limit, the whole image is searched at once

# Criteria for a line
_CORE = 0.3  # of text_map
_LIKELY = 0.5  # mean of text_map over the core
_UNCLIP = 1.8  # distance of the line's edge from its core, in core area per circumference
_TALLEST = 0.1  # of the image's longest side: the maximum height of a line
_READ = ((2, 0.8), (5, 0.6))  # minimum number of letters and digits, and their minimum mean confidence
_UPRIGHT = 1.5  # height / width above which a line is rotated before reading
_LITTLE = 0.2  # of the largest stroke in a box: strokes that only reach into the box are smaller
_NEXT = 1.5  # maximum gap, in line heights, to the rest of a line
_RING = 4  # px around a box; their median fills the box


@dataclass(frozen=True)
class _Line:
    box: Box
    read: bool

    @property
    def height(self) -> int:
        top, bottom, left, right = self.box
        return min(bottom - top, right - left)


def without_text(image: GreyImage, small: np.ndarray | None = None) -> tuple[GreyImage, float]:
    """An image (Rows, Columns) in 0..255 with masked lines of text, and their share of the area.

    Without text, the image itself is returned. `small`: the result of `sketched`, if the caller has it already.
    """
    boxes = text_boxes(image, small)
    if not boxes:
        return image, 0.0
    covers = []
    masked = np.zeros(image.shape, bool)
    for top, bottom, left, right in boxes:
        around = image[max(top - _RING, 0) : bottom + _RING, max(left - _RING, 0) : right + _RING]
        rim = np.ones(around.shape, bool)
        rim[_RING:-_RING, _RING:-_RING] = False
        covers.append(((top, bottom, left, right), float(np.median(around[rim]))))
        masked[top:bottom, left:right] = True
    return Covered(image, covers), float(masked.mean())


def text_boxes(image: GreyImage, small: np.ndarray | None = None) -> list[Box]:
    """The lines of text in an image (Rows, Columns) in 0..255, as boxes in its pixels; `small` as above."""
    if small is None:
        small = sketched(image, SIDE)
    scale = np.array(image.shape) / small.shape
    lines = []
    for core in (box for region in _regions(small) for box in _cores(small, region)):
        if min(core[1] - core[0], core[3] - core[2]) <= _TALLEST * SIDE:
            box = _enlarged(core, scale, image.shape)
            lines.append(_Line(box, _is_read(image, box)))
    lines = list(dict.fromkeys(lines))
    read = [line for line in lines if line.read]
    return [line.box for line in lines if line.read or any(_continues(line, other) for other in read)]


def _regions(small: np.ndarray) -> list[Box]:
    """Parts of a uint8 image (rows, columns) with dense strokes; most images have few."""
    steep = _steep(small)
    share = np.min([_share(mask) for mask in steep], axis=0)
    labels, count = ndimage.label(ndimage.binary_dilation(share >= _STEEP_SHARE, np.ones((3, 3))), np.ones((3, 3)))
    if not count:
        return []
    strokes = np.logical_or.reduce(steep)
    places = (tuple(slice(s.start * _CELL, s.stop * _CELL) for s in cells) for cells in ndimage.find_objects(labels))
    boxes = [_around(strokes[place], place, small.shape) for place in places]
    area = sum((bottom - top) * (right - left) for top, bottom, left, right in boxes)
    if count > _MOST_REGIONS or area > _MOST_AREA * small.size:
        return [(0, small.shape[0], 0, small.shape[1])]
    return boxes


def _steep(small: np.ndarray) -> np.ndarray:
    """Where levels rise and fall by at least _STEEP, down and across: bool (4, rows, columns), padded to whole cells.

    Computed in 8 bits for speed; above 255 - _STEEP no level can rise by _STEEP.
    """
    rows, columns = small.shape
    beyond = np.minimum(small, 256 - _STEEP) + np.uint8(_STEEP - 1)
    steep = np.zeros((4, -(-rows // _CELL) * _CELL, -(-columns // _CELL) * _CELL), bool)
    np.greater(small[2:], beyond[:-2], out=steep[0, 1 : rows - 1, :columns])
    np.greater(small[:-2], beyond[2:], out=steep[1, 1 : rows - 1, :columns])
    np.greater(small[:, 2:], beyond[:, :-2], out=steep[2, :rows, 1 : columns - 1])
    np.greater(small[:, :-2], beyond[:, 2:], out=steep[3, :rows, 1 : columns - 1])
    return steep


def _around(strokes: np.ndarray, place: tuple[slice, ...], shape: tuple[int, ...]) -> Box:
    """A box around the strokes in one place of an image of `shape`; its sides are multiples of the network's stride."""
    sides: list[int] = []
    for axis, (part, whole) in enumerate(zip(place, shape, strict=True)):
        found = np.flatnonzero(strokes.any(axis=1 - axis)) + part.start
        first, beyond = int(found[0]) - _AROUND, int(found[-1]) + 1 + _AROUND
        length = min(-(-(beyond - first) // STRIDE) * STRIDE, whole)
        start = max(0, min((first + beyond - length) // 2, whole - length))
        sides += [start, start + length]
    return sides[0], sides[1], sides[2], sides[3]


def _share(mask: np.ndarray) -> np.ndarray:
    """The share that is set in the four cells around each cell's lower right or upper left corner; the larger one."""
    rows, columns = (side // _CELL for side in mask.shape)
    stripes = mask.view(np.uint8).reshape(rows, _CELL, -1).sum(axis=1, dtype=np.uint8)
    cells = stripes.reshape(rows, columns, _CELL).sum(axis=2, dtype=np.float32) / _CELL**2
    four = ndimage.uniform_filter(cells, 2, mode="constant")  # each cell with the cells above and to the left
    return np.maximum(four, np.pad(four, ((0, 1), (0, 1)))[1:, 1:])


def _cores(small: np.ndarray, region: Box) -> list[Box]:
    """Cores of possible lines of text in a region, in the pixels of `small`."""
    top, bottom, left, right = region
    likely = text_map(small[top:bottom, left:right])
    labels, count = ndimage.label(likely >= _CORE, np.ones((3, 3)))
    means = ndimage.mean(likely, labels, range(1, count + 1)) if count else []
    return [
        (top + rows.start, top + rows.stop, left + columns.start, left + columns.stop)
        for (rows, columns), mean in zip(ndimage.find_objects(labels), means, strict=True)
        if mean >= _LIKELY and min(rows.stop - rows.start, columns.stop - columns.start) > 1
    ]


def _enlarged(core: Box, scale: np.ndarray, shape: tuple[int, ...]) -> Box:
    """The box of the whole line around a core, in the pixels of the whole image."""
    top, bottom, left, right = core
    height, width = bottom - top, right - left
    reach = _UNCLIP * height * width / (2 * (height + width)) + 1
    return (
        max(int((top - reach) * scale[0]), 0),
        min(int(np.ceil((bottom + reach) * scale[0])), shape[0]),
        max(int((left - reach) * scale[1]), 0),
        min(int(np.ceil((right + reach) * scale[1])), shape[1]),
    )


def _is_read(image: GreyImage, box: Box) -> bool:
    top, bottom, left, right = box
    line = image[top:bottom, left:right]
    if max(line.shape) > SIDE:  # the reading network needs a height of 48 px
        line = np.asarray(Image.fromarray(line).reduce(max(1, min(line.shape) // 64)))
    line = line.astype(np.uint8)
    if _is_one_letter(line):
        return False
    upright = line.shape[0] > _UPRIGHT * line.shape[1]
    for turned in (np.rot90(line), np.rot90(line, -1)) if upright else (line,):
        text, confidence = read_line(np.ascontiguousarray(turned))
        letters = sum(map(str.isalnum, text))
        if any(letters >= least and confidence >= sure for least, sure in _READ):
            return True
    return False


def _is_one_letter(line: np.ndarray) -> bool:
    """Whether a uint8 image (rows, columns) shows one stroke that encloses at most one area.

    Several letters on a plate are not one stroke, and a plate with several letters encloses several areas. Small
    strokes that reach in from outside, such as a ring around a letter, do not count. A single letter is not read,
    because reading takes long.
    """
    if max(line.shape) > _UPRIGHT * min(line.shape):
        return False
    away = np.abs(line - np.median(_rim(line)))
    ink = away >= away.max() / 2
    labels, count = ndimage.label(ink, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    reaches_in = np.isin(np.arange(1, count + 1), _rim(labels)) & (sizes < _LITTLE * sizes.max())
    grounds = ndimage.label(np.pad(~np.isin(labels, np.flatnonzero(~reaches_in) + 1), 1, constant_values=True))[1]
    return bool((~reaches_in).sum() == 1 and grounds <= 2)


def _rim(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _continues(line: _Line, other: _Line) -> bool:
    """Whether a line is next to another line of similar height, as the rest of that line."""
    if not 0.5 <= line.height / other.height <= 2:
        return False
    upright = other.box[1] - other.box[0] > other.box[3] - other.box[2]
    along, across = ((0, 1), (2, 3)) if upright else ((2, 3), (0, 1))
    gap = max(line.box[along[0]] - other.box[along[1]], other.box[along[0]] - line.box[along[1]])
    overlap = min(line.box[across[1]], other.box[across[1]]) - max(line.box[across[0]], other.box[across[0]])
    return gap <= _NEXT * other.height and overlap >= 0.5 * min(line.height, other.height)
