"""The drift reference of a model: held-out images with predictions and embeddings, compared with later batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_array, write_rows
from dagster_project.core.paths import Paths
from dagster_project.core.plotting import evenly
from dagster_project.core.tables import SHARE, Column, Table
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS
from dagster_project.learning.evaluation.labelled import LabelledSet

METADATA = (
    *("modality", "photometric_interpretation", "view_position", "laterality", "patient_sex"),
    *("age_decade", "manufacturer", "station", "bits_stored"),
)
_MOST = 2000
_HEADER = {column.name: column for column in HEADER_COLUMNS}
DRIFT_REFERENCE = Table(
    "models/ensemble/reference.parquet",
    "one row for each held-out image that drift is measured against; every champion has its own",
    (
        *(_HEADER[name] for name in ("image_id", "batch", "patient")),
        Column("region", "string", "predicted region"),
        Column("confidence", "float32", "calibrated probability of this region", SHARE, (0, 1)),
        *(_HEADER[name] for name in METADATA),
    ),
    "ensemble",
    read_by=("monitor",),
)


def reference_rows(data: LabelledSet) -> np.ndarray:
    """At most 2,000 rows, evenly sampled, that no encoder and no probe was trained on."""
    rows = np.flatnonzero(((data.table["split"] != "train") & (data.table["exclusion"] == "")).to_numpy(bool))
    return rows[evenly(len(rows), _MOST)]


def save_reference(
    folder: Path, paths: Paths, data: LabelledSet, rows: np.ndarray, probabilities: np.ndarray, embeddings: np.ndarray
) -> None:
    """Write `reference.parquet` and `reference_embeddings.npy`; `probabilities` (R, K), `embeddings` (R, D)."""
    table = data.table.iloc[rows][["image_id", "batch", "patient"]].assign(
        region=np.array(data.regions, dtype=object)[probabilities.argmax(axis=1)],
        confidence=probabilities.max(axis=1).astype(np.float32),
    )
    write_rows(folder / "reference.parquet", with_metadata(paths, table), DRIFT_REFERENCE)
    write_array(folder / "reference_embeddings.npy", embeddings.astype(np.float16))


def load_reference(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The table (image_id, batch, patient, region, confidence, metadata) and the embeddings, float32 (R, D)."""
    return read_table(folder / "reference.parquet"), np.load(folder / "reference_embeddings.npy").astype(np.float32)


def with_metadata(paths: Paths, table: pd.DataFrame) -> pd.DataFrame:
    """Join the drift-relevant header columns to a table with `image_id` and `batch`."""
    columns = ["image_id", "batch", *METADATA]
    headers = pd.concat([load_headers(paths, str(batch))[columns] for batch in table["batch"].unique()])
    return table.merge(headers, on=["image_id", "batch"], how="left", validate="one_to_one")
