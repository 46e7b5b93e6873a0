"""The predictions of each out-of-fold model, kept so that a flag can be explained later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from dagster_project.core.atomic_io import write_rows
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.label_errors.out_of_fold import OofPredictions, oof_models
from dagster_project.label_quality.label_errors.tables import OOF_PREDICTIONS


def write_oof_predictions(root: Root, table: pd.DataFrame, oof: OofPredictions) -> None:
    """Write `data/oof_predictions.parquet`: image_id, oof_model, one probability for each region.

    `table` is the training set.
    """
    regions = root.taxonomy.regions
    parts = [
        pd.DataFrame(each.astype(np.float32), columns=list(regions)).assign(image_id=table["image_id"], oof_model=name)
        for name, each in zip(oof_models(root.settings), oof.probabilities, strict=True)
    ]
    write_rows(root.paths.oof_predictions, pd.concat(parts), OOF_PREDICTIONS, regions)


def oof_predictions_of(paths: Paths, image_id: str) -> dict[str, dict[str, float]]:
    """Model -> region -> probability (0..1) for one image; empty if no predictions are kept."""
    if not paths.oof_predictions.exists():
        return {}
    rows = pq.read_table(paths.oof_predictions, filters=[("image_id", "==", image_id)]).to_pylist()
    return {row["oof_model"]: {k: v for k, v in row.items() if k not in ("image_id", "oof_model")} for row in rows}
