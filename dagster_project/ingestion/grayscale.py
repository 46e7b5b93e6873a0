"""Stored pixel values to displayed ones: modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1 and C.11.2).

Written out, since pydicom 3.0's functions wrap the indices of an 8-bit LUT, turn a window around after a negative
slope, and fail for a LUT that begins below zero.
"""

from __future__ import annotations

import struct

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from dagster_project.ingestion.elements import byte_order, decimal, text
from dagster_project.ingestion.levels import Levels

_UNUSABLE = (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, struct.error)


def rescaled(ds: FileDataset, stored: Levels, warned: list[str]) -> Levels:
    """Stored values through the modality LUT or rescale, float32.

    Appends `rescaled` to `warned` if that changes the values, or `rescale_ignored` where the step is unusable or would
    blank most of the picture, and is left out.
    """
    plain = stored.mapped(stored.values.astype(np.float32))
    try:
        if ds.get("ModalityLUTSequence"):
            values = _looked_up(plain.values, ds.ModalityLUTSequence[0], byte_order(ds))
        else:
            slope = decimal(ds, "RescaleSlope") if text(ds, "RescaleSlope") else 1.0
            intercept = decimal(ds, "RescaleIntercept") if text(ds, "RescaleIntercept") else 0.0
            if (slope, intercept) == (1, 0):
                return plain
            values = plain.values * np.float32(slope) + np.float32(intercept)
        after = plain.mapped(values)
        _check(after, plain)
    except _UNUSABLE:
        warned.append("rescale_ignored")
        return plain
    warned.append("rescaled")
    return after


def windowed(ds: FileDataset, levels: Levels, warned: list[str]) -> Levels:
    """Values through the first VOI LUT, else the first window, else as they are; float32.

    Appends `voi_ignored` to `warned` where the step is unusable or would blank most of the picture, and is left out.
    """
    luts = ds.get("VOILUTSequence")
    if not luts and not (text(ds, "WindowCenter") and text(ds, "WindowWidth")):
        return levels
    try:
        values = _looked_up(levels.values, luts[0], byte_order(ds)) if luts else _window(ds, levels.values)
        shown = levels.mapped(values)
        _check(shown, levels)
    except _UNUSABLE:
        warned.append("voi_ignored")
        return levels
    return shown


def _looked_up(values: np.ndarray, lut: Dataset, order: str) -> np.ndarray:
    """Values through a LUT item: below its first mapped value its first entry, beyond its last the last."""
    entries, first = int(lut.LUTDescriptor[0]) % 2**16 or 2**16, int(lut.LUTDescriptor[1])
    data = lut.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else f"{order}u2")
    table = np.atleast_1d(np.asarray(data, np.float32))[:entries]
    return table.take(np.rint(values - first).astype(np.int32), mode="clip")


def _window(ds: Dataset, values: np.ndarray) -> np.ndarray:
    """Values through the first window, to 0..1; raises ValueError if it is unusable."""
    center, width = np.float32(decimal(ds, "WindowCenter")), np.float32(decimal(ds, "WindowWidth"))
    function = text(ds, "VOILUTFunction").upper() or "LINEAR"
    if function == "LINEAR":
        center, width = center - np.float32(0.5), width - 1
    if not width > 0:
        raise ValueError("unusable window")
    if function == "SIGMOID":
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise ValueError("unknown VOI LUT function")
    return np.clip((values - center) / width + np.float32(0.5), 0, 1)


def _check(after: Levels, before: Levels) -> None:
    """Raise ValueError if a step yields no numbers or blanks most of the picture."""
    if not np.isfinite(after.values).all() or _used(after) < _used(before) / 3:
        raise ValueError("blanks the picture")


def _used(levels: Levels) -> float:
    """How many grey levels a picture really uses: two to the power of the entropy of its 256-bin histogram."""
    there = levels.sampled > 0
    counts, _ = np.histogram(levels.values[there], bins=256, weights=levels.sampled[there])
    share = counts[counts > 0] / counts.sum()
    return float(2 ** -(share * np.log2(share)).sum())
