"""From the beam behind the patient to stored values: scatter, blur, noise, collimation, the console's processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from raytruth_phantom.projection import Float32
from raytruth_phantom.sites import Site
from raytruth_phantom.solids import FloatArray

WHITE = 4095  # of 12 bits


@dataclass(frozen=True)
class Processing:
    """Image processing by the console.

    `contrast`: steepness of the gradation. `level`: brightness shift in fractions of the range. `detail`: strength of
    the edge enhancement. `latitude` (0..1): how far large-scale differences are compressed. `shutter`: whether
    everything outside the field is blackened. `darkest`: percentile of the body's density that becomes black.
    """

    contrast: float
    level: float
    detail: float
    latitude: float
    shutter: bool
    darkest: float


def draw_processing(site: Site, trunk: bool, rng: np.random.Generator) -> Processing:
    """Draw one exposure's processing from the site's habits; thick parts (`trunk`) are equalised more."""
    return Processing(
        contrast=float(rng.uniform(*site.contrast)),
        level=float(rng.normal(0, 0.06)),
        detail=float(rng.uniform(*site.detail)),
        latitude=float(rng.uniform(0.3, 0.7) if trunk else rng.uniform(0.0, 0.5)),
        shutter=bool(rng.random() < 0.8),
        darkest=float(rng.uniform(3, 14) if trunk else rng.uniform(1, 5)),
    )


def detect(
    primary: Float32,
    field: FloatArray,
    *,
    photons: float,
    scatter: float,
    blur: float,
    grid: float,
    rng: np.random.Generator,
) -> Float32:
    """The detector's signal (rows, columns), 1 in the unattenuated beam.

    `primary`: transmitted fraction. `field` (4, 2): corners of the exposed field. `photons`: per pixel in air.
    `scatter`: scattered relative to primary radiation behind a thick patient. `blur`: standard deviation in pixels of
    focal spot and detector. `grid`: amplitude of the lines an antiscatter grid leaves.
    """
    rows, columns = primary.shape
    open_field = _mask(field, primary.shape)
    heel = 1 + np.linspace(-1, 1, rows, dtype=np.float32)[:, None] * rng.normal(0, 0.03)
    signal = primary * open_field * heel
    # scatter is far wider than anything else: compute it on a twelfth of the pixels
    size = (max(2, columns // 12), max(2, rows // 12))
    source = signal * (1 - primary)  # air scatters nothing
    small = np.asarray(Image.fromarray(source).resize(size, Image.Resampling.BOX), np.float32)
    spread = gaussian_filter(small, max(size) * 0.12, mode="constant")
    veil = np.asarray(Image.fromarray(spread).resize((columns, rows), Image.Resampling.BILINEAR), np.float32)
    signal = gaussian_filter(signal, blur, truncate=2.5) + scatter * np.maximum(veil, 0) + 1e-6
    if grid:
        signal *= 1 + grid * np.sin(np.arange(columns, dtype=np.float32) * rng.uniform(0.8, 2.6))
    noise = rng.standard_normal(primary.shape, dtype=np.float32)
    return np.maximum(signal + noise * np.sqrt(signal / photons), 1e-6)


def develop(signal: Float32, field: FloatArray, processing: Processing) -> NDArray[np.uint16]:
    """Stored values (rows, columns), 0..4095, dense parts bright: logarithm, detail, gradation, shutter."""
    density = -np.log(signal)
    inside = _mask(field, signal.shape) > 0.5
    values = density[inside][::7]
    body = values[values > 0.12]
    low, high = np.percentile(body if len(body) > 50 else values, (3, 99.3))
    base = _coarse(density, max(signal.shape) / 28)
    density = density + processing.detail * (density - base)
    if processing.latitude:
        broad = _coarse(density, max(signal.shape) / 7)
        density = density - processing.latitude * (np.clip(broad, low, high) - (low + high) / 2)
        values = density[inside][::7]
        low, high = np.percentile(values[values > low], (processing.darkest, 99.3))
    relative = (density - low) / max(high - low, 0.2)
    toned = 1 / (1 + np.exp(-4.2 * processing.contrast * (relative - 0.55 + processing.level)))
    floor = 1 / (1 + np.exp(4.2 * processing.contrast * 0.85))
    toned = np.clip((toned - floor) / (1 - 1.2 * floor), 0, 1)
    if processing.shutter:
        toned = np.where(inside, toned, 0)
    return np.rint(toned * WHITE).astype(np.uint16)


def _coarse(image: Float32, sigma: float) -> Float32:
    """A wide Gaussian, computed on a quarter of the rows and columns."""
    rows, columns = image.shape
    small = np.asarray(Image.fromarray(image).resize((-(-columns // 4), -(-rows // 4)), Image.Resampling.BOX))
    smooth = gaussian_filter(small, sigma / 4, truncate=2.5)
    return np.asarray(Image.fromarray(smooth).resize((columns, rows), Image.Resampling.BILINEAR), np.float32)


def _mask(field: FloatArray, shape: tuple[int, int]) -> Float32:
    canvas = Image.new("L", shape[::-1], 0)
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in field], fill=255)
    mask = np.asarray(canvas, np.float32) / 255
    return np.asarray(gaussian_filter(mask, 1.0, truncate=2.0) if mask.min() < 1 else mask, np.float32)
