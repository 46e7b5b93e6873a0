"""Perturbations: one cue is hidden or added, on a whole batch of images at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from dagster_project.learning.pretraining.cues import KINDS, paste_cues

POSITIVE_CONTROL = "centre hidden"  # removes anatomy: an audit that shows no effect here cannot be trusted
_BAND = 0.08  # of the side
_CORNER = 0.22  # of the side
_CENTRE = 0.5  # of the side
_CONTENT = 12.0  # grey levels: a line of the exposed field has at least this standard deviation
_STANDS_OUT, _BRIGHT = 150, 230  # least grey level of a marker or text, and of its brightest pixel
_SMALL = 0.01  # share of the image: a larger component is not a marker or text

Perturbation = Callable[[np.ndarray], np.ndarray]


def perturbations(seed: int) -> dict[str, Perturbation]:
    """Functions by name, uint8 (N, s, s) to uint8 (N, s, s). Hidden parts get the mean grey of the image."""
    hiding: dict[str, Perturbation] = {
        "borders hidden": _without_borders,
        "margin hidden": lambda x: _greyed(x, ~_square(x.shape[1], 1 - 2 * _BAND)),
        "corners hidden": lambda x: _greyed(x, _corners(x.shape[1])),
        "small bright parts hidden": _without_small_bright_parts,
        "inverted": lambda x: 255 - x,
        "mirrored": lambda x: np.ascontiguousarray(x[:, :, ::-1]),
        POSITIVE_CONTROL: lambda x: _greyed(x, _square(x.shape[1], _CENTRE)),
    }
    return hiding | {f"{kind} added": _adding(kind, seed) for kind in KINDS}


def _adding(kind: str, seed: int) -> Perturbation:
    def perturb(images: np.ndarray) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        x = torch.from_numpy(images)[:, None].float() / 255
        found = paste_cues(x, generator, **{kind: 1.0})[:, 0]
        return (found * 255).round().clamp(0, 255).to(torch.uint8).numpy()

    return perturb


def _greyed(images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The images (N, s, s) with their mean grey at `hidden`, bool (s, s) or (N, s, s)."""
    grey = images.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    return np.where(hidden, grey, images)


def _square(side: int, share: float) -> np.ndarray:
    """bool (side, side): inside the middle square of `share` of the side."""
    inside = np.abs(np.arange(side) - (side - 1) / 2) < share * side / 2
    return inside[:, None] & inside


def _corners(side: int) -> np.ndarray:
    outer = np.abs(np.arange(side) - (side - 1) / 2) > (0.5 - _CORNER) * side
    return outer[:, None] & outer


def _without_borders(images: np.ndarray) -> np.ndarray:
    """Hide everything outside the first and last row and column with content."""
    x = images.astype(np.float32)
    rows, columns = (_from_first_to_last(x.std(axis=axis) >= _CONTENT) for axis in (2, 1))
    return _greyed(images, ~(rows[:, :, None] & columns[:, None, :]))


def _from_first_to_last(lines: np.ndarray) -> np.ndarray:
    """bool (N, s): from the first to the last true of each row."""
    return np.logical_or.accumulate(lines, axis=1) & np.logical_or.accumulate(lines[:, ::-1], axis=1)[:, ::-1]


def _without_small_bright_parts(images: np.ndarray) -> np.ndarray:
    """Hide small bright parts with near-white pixels, such as markers and text; bone belongs to a larger part."""
    within_an_image = np.zeros((3, 3, 3), dtype=bool)
    within_an_image[1] = True
    labels, count = ndimage.label(images >= _STANDS_OUT, within_an_image)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    bright = np.bincount(labels[images >= _BRIGHT], minlength=count + 1) > 0
    small = bright & (area <= _SMALL * images[0].size)
    reach = max(images.shape[1] // 64, 1)
    hidden = ndimage.maximum_filter(small[labels].view(np.uint8), (1, 2 * reach + 1, 2 * reach + 1))
    return _greyed(images, hidden.view(bool))
