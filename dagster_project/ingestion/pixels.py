"""Second pass: one file's pixels to a letterboxed uint8 picture."""

from __future__ import annotations

import hashlib
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from dagster_project.ingestion.elements import number, open_dataset, text
from dagster_project.ingestion.reasons import RefusedFile
from dagster_project.ingestion.sources import SourceFile

# The fastest decoder of each kind with a permissive licence; others are left to pydicom's choice.
_DECODERS = {
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    RLELossless: "pylibjpeg",
}
_FLAT = 0.05  # share of pixels at the very lowest or highest value from which on they count as border, not picture


@dataclass
class PixelRead:
    """What the second pass found in one file. `picture` is uint8 (side, side), or None if the file is refused.

    Both digests are SHA-256: of the stored values, and of the whole file.
    """

    reasons: list[str]
    picture: np.ndarray | None = None
    pixel_digest: str = ""
    file_digest: str = ""


@dataclass(frozen=True)
class PixelReader:
    """Reads pixels in a worker process. `percentiles` are the two of the stretch, in 0..100."""

    side: int
    percentiles: tuple[float, float]

    def __call__(self, file: SourceFile) -> PixelRead:
        """Decode one file. Never raises for what a file holds; MemoryError is left to the worker's limit."""
        warned: list[str] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = open_dataset(Path(file.path), warned)
                stored = decode(ds, warned)
                values = presented(ds, stored, warned)
                picture = letterbox(stretch(values, self.percentiles), self.side)
            with Path(file.path).open("rb") as f:
                file_digest = hashlib.file_digest(f, "sha256").hexdigest()
        except RefusedFile as refusal:
            return PixelRead([refusal.reason])
        except OSError:
            return PixelRead(["unreadable"])
        except RecursionError:
            return PixelRead(["nested_too_deep"])
        return PixelRead(sorted(set(warned) - {"no_preamble"}), picture, _digest(stored), file_digest)


def decode(ds: FileDataset, warned: list[str]) -> np.ndarray:
    """The stored pixel values, (Rows, Columns), in native byte order.

    Raises RefusedFile if there are none, too few or too many, or if the decoder fails.
    """
    data = ds.get("PixelData")
    if not data:
        raise RefusedFile("no_pixels")
    syntax = ds.file_meta.TransferSyntaxUID
    expected = ds.Rows * ds.Columns * ds.BitsAllocated // 8
    if not syntax.is_compressed:
        if len(data) < expected:
            raise RefusedFile("pixels_short")
        if len(data) > expected + 1:
            raise RefusedFile("pixels_long")
        if len(data) == expected + 1 and expected % 2 == 0:
            warned.append("pixel_padding")
    if syntax in _DECODERS:
        ds.pixel_array_options(decoding_plugin=_DECODERS[syntax])
    try:
        array = ds.pixel_array
    except MemoryError:
        raise
    except Exception as error:
        raise RefusedFile("decoder_error") from error
    if array.ndim != 2 or array.shape != (ds.Rows, ds.Columns):
        raise RefusedFile("decoder_error")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def presented(ds: FileDataset, stored: np.ndarray, warned: list[str]) -> np.ndarray:
    """The values as a display would show them: modality LUT, VOI LUT or window, MONOCHROME1 inverted once.

    PS3.4 N.2: modality LUT or rescale, then VOI LUT (a sequence before a window), then presentation. A VOI step that is
    unusable, or that would blank most of the picture, is left out and `voi_ignored` appended to `warned`.
    Returns float32 (Rows, Columns), bright = dense.
    """
    try:
        values = apply_modality_lut(stored, ds).astype(np.float32)
        if not np.isfinite(values).all() or number(ds, "RescaleSlope", 1) == 0:
            raise ValueError("unusable rescale")
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, struct.error):
        warned.append("rescale_ignored")
        values = stored.astype(np.float32)
    shown = _windowed(ds, values, stored, warned)
    return -shown if text(ds, "PhotometricInterpretation") == "MONOCHROME1" else shown


def _windowed(ds: FileDataset, values: np.ndarray, stored: np.ndarray, warned: list[str]) -> np.ndarray:
    if "VOILUTSequence" not in ds and "WindowCenter" not in ds:
        return values
    try:
        # A VOI LUT is indexed by whole numbers; rescaled values that are whole keep the type of the stored ones.
        whole = stored if np.array_equal(values, stored) else np.rint(values).astype(np.int32)
        shown = apply_voi_lut(whole if "VOILUTSequence" in ds else values, ds).astype(np.float32)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, struct.error):
        warned.append("voi_ignored")
        return values
    if not np.isfinite(shown).all() or _levels(shown) < _levels(values) / 3:
        warned.append("voi_ignored")
        return values
    return shown


def _levels(values: np.ndarray) -> float:
    """How many grey levels a picture really uses: two to the power of the entropy of its 256-bin histogram."""
    counts, _ = np.histogram(values[::4, ::4], bins=256)
    share = counts[counts > 0] / counts.sum()
    return float(2 ** -(share * np.log2(share)).sum())


def stretch(values: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """Stretch between two percentiles to 0..255, (Rows, Columns) float32.

    Pixels at the very lowest or highest value count as collimator or border, not as picture, where they are many.
    Raises RefusedFile if every pixel has the same value.
    """
    low, high = values.min(), values.max()
    if low == high:
        raise RefusedFile("constant")
    inside = values
    for edge in (low, high):
        at_edge = inside == edge
        if _FLAT < at_edge.mean() < 1 - _FLAT:
            inside = inside[~at_edge]
    bottom, top = np.percentile(inside, percentiles)
    if top <= bottom:
        bottom, top = low, high
    return np.clip((values - bottom) * (255 / (top - bottom)), 0, 255).astype(np.float32)


def letterbox(picture: np.ndarray, side: int) -> np.ndarray:
    """Fit a picture (Rows, Columns) in 0..255 into the middle of a black square, aspect kept; uint8 (side, side).

    Reduced by area averaging, enlarged bilinearly.
    """
    rows, columns = picture.shape
    scale = side / max(rows, columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(picture).resize(size, method))
    square = np.zeros((side, side), dtype=np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.rint(np.clip(small, 0, 255)).astype(np.uint8)
    return square


def _digest(stored: np.ndarray) -> str:
    return hashlib.sha256(f"{stored.dtype}{stored.shape}".encode() + np.ascontiguousarray(stored).tobytes()).hexdigest()
