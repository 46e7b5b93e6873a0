"""A file's image as a viewer shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom


def displayed(path: Path) -> np.ndarray:
    """A file's image (rows, columns) as a viewer shows it, 0 (black) to 1, percentiles 0.5 and 99.5 stretched."""
    ds = pydicom.dcmread(path)
    values = ds.pixel_array.astype(np.float32)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        values = values.max() - values
    low, high = np.percentile(values, (0.5, 99.5))
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1)
