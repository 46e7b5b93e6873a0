"""Reading what was ingested."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dagster_project.files import read_table
from dagster_project.layout import Layout


def ingested_batches(layout: Layout) -> list[str]:
    """Names of the batches that have headers and pixels, sorted."""
    return sorted(p.stem for p in layout.headers_dir.glob("*.parquet") if layout.pixels(p.stem).exists())


def load_headers(layout: Layout, batch: str) -> pd.DataFrame:
    """A batch's header table, one row a picture (columns: ingestion/tables.py)."""
    return read_table(layout.headers(batch))


def open_pixels(layout: Layout, batch: str) -> np.ndarray:
    """A batch's shard, uint8 (N, side, side), memory-mapped; row i is the headers' row i."""
    return np.load(layout.pixels(batch), mmap_mode="r")
