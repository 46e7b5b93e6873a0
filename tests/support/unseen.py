"""Batches that a champion has not seen: like its own, or shifted in one way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from support.archive import REGIONS, patients_of, put_batch
from support.trained import Trained

EVENLY = tuple(range(len(REGIONS))) * 7


def put_unseen(
    root: Trained, batch: str, seed: int, *, kinds: Sequence[int] = EVENLY, gamma: float = 1.0, **columns: object
) -> pd.DataFrame:
    """Publish a batch of new patients, two images each; `gamma` changes the exposure, `columns` the headers."""
    rows, images = patients_of(kinds, seed)
    changed = (255 * (images / 255.0) ** gamma).clip(0, 255).astype(np.uint8)
    return put_batch(root.paths, batch, rows.assign(**columns), changed)
