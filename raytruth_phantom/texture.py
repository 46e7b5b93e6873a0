"""Fine structure in addition to the geometry: trabeculae in cancellous bone, unevenness of plaster and muscle."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image

from raytruth_phantom.projection import Float32

_TILE = 512  # cells
_CELL = 0.5  # mm
_DIRECTIONS = 8


@cache
def _tile(direction: int) -> Float32:
    """Noise (512, 512) of unit variance, drawn out along a direction, periodic, the same for everyone."""
    frequency = np.fft.fftfreq(_TILE)
    y, x = np.meshgrid(frequency, frequency, indexing="ij")
    angle = np.pi * direction / _DIRECTIONS
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    # trabeculae: about 1.5 mm apart and 4 mm long; a little of a coarser pattern beneath
    fine = np.exp(-(((np.hypot(along * 2.6, across) - 0.30) / 0.14) ** 2))
    coarse = 0.5 * np.exp(-((np.hypot(along, across) / 0.04) ** 2))
    noise = np.fft.fft2(np.random.default_rng(direction).standard_normal((_TILE, _TILE)))
    pattern = np.fft.ifft2(noise * (fine + coarse)).real
    return ((pattern - pattern.mean()) / pattern.std()).astype(np.float32)


def grain(shape: tuple[int, int], pixel: float, angle: float, rng: np.random.Generator) -> Float32:
    """Trabecular noise (rows, columns) of about unit variance.

    `pixel`: size of a pixel in mm at the patient; `angle`: direction of the trabeculae on the image in degrees.
    """
    tile = _tile(round(angle / 180 * _DIRECTIONS) % _DIRECTIONS)
    tile = np.roll(tile, rng.integers(0, _TILE, 2), axis=(0, 1))
    cells = [max(2, round(n * pixel / _CELL)) for n in shape]
    repeated = np.tile(tile, [-(-c // _TILE) for c in cells])[: cells[0], : cells[1]]
    fine = Image.fromarray(repeated).resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(fine, np.float32)


def clouds(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> Float32:
    """Smooth noise (rows, columns) of about unit variance with about `cells` lumps along the longer side."""
    scale = cells / max(shape)
    small = rng.standard_normal([max(2, round(n * scale)) for n in shape]).astype(np.float32)
    return np.asarray(Image.fromarray(small).resize(shape[::-1], Image.Resampling.BILINEAR), np.float32)
