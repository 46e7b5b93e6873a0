"""Read ingested batches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.tables import PATIENT_EVIDENCE


def ingested_batches(paths: Paths) -> list[str]:
    """The names of the batches with headers and pixels, sorted."""
    return sorted(p.stem for p in paths.headers_dir.glob("*.parquet") if paths.pixels(p.stem).exists())


def load_headers(paths: Paths, batch: str) -> pd.DataFrame:
    """A batch's header table, one row for each image (columns: ingestion/batch/tables.py)."""
    return read_table(paths.headers(batch))


def open_pixels(paths: Paths, batch: str) -> np.ndarray:
    """A batch's shard, uint8 (N, side, side), memory-mapped; row i belongs to row i of the headers."""
    return np.load(paths.pixels(batch), mmap_mode="r")


def load_patient_evidence(paths: Paths) -> pd.DataFrame:
    """The evidence about patients in all batches, each row once (columns: `patient_evidence.Evidence`).

    Raises RayTruthError if a batch has no evidence, because an older version ingested it.
    """
    tables = []
    for batch in ingested_batches(paths):
        if not paths.patient_evidence(batch).exists():
            raise RayTruthError(
                "It is unknown which patients of the batch are one person, because an older version ingested the batch",
                where=f"batch {batch}",
                do="run `raytruth ingest` and `raytruth validate`",
            )
        tables.append(read_table(paths.patient_evidence(batch)))
    if not tables:
        return pd.DataFrame(columns=list(PATIENT_EVIDENCE.types), dtype=object)
    return pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)


def images_from_all_batches(paths: Paths, most: int) -> np.ndarray:
    """At most so many images, uint8 (N, side, side), at even distances from all batches.

    Raises RayTruthError if there is no batch.
    """
    from dagster_project.core.plotting import evenly  # imports matplotlib

    shards = [open_pixels(paths, batch) for batch in ingested_batches(paths)]
    if not shards:
        raise RayTruthError(
            "There is no image to try this on", where=paths.place(paths.pixels_dir), do="ingest a batch first"
        )
    each = -(-most // len(shards))
    chosen = np.concatenate([shard[evenly(len(shard), each)] for shard in shards])
    return chosen[evenly(len(chosen), most)]
