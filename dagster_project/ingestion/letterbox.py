"""A picture of any shape into a square: reduced with its aspect kept, and centred on black."""

from __future__ import annotations

import numpy as np
from PIL import Image


def fitted(picture: np.ndarray, side: int) -> np.ndarray:
    """A float32 picture (Rows, Columns) with its longest side brought to `side`, aspect kept.

    Reduced by area averaging, enlarged bilinearly.
    """
    rows, columns = picture.shape
    scale = side / max(rows, columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(picture).resize(size, method))


def centred(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture (rows, columns) in 0..255, no side longer than `side`, in the middle of a black square; uint8."""
    rows, columns = picture.shape
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return square
