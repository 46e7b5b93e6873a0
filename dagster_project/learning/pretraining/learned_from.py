"""Which images and labels an encoder learned from, as one hash."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def learned_from(rows: pd.DataFrame, labels: np.ndarray) -> str:
    """Hash of the images and labels that an encoder saw, as in its card; from rows of the training set only."""
    digest = hashlib.sha256("\n".join(rows["image_hash"]).encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:16]
