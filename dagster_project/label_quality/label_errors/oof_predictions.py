"""What each judge says of each image, kept so that a flag can be explained later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from dagster_project.core.atomic_io import write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.label_errors.out_of_fold import Judged, judges


def write_judgements(root: Root, table: pd.DataFrame, judged: Judged) -> None:
    """Write `data/judgements.parquet`: image_id, judge, a probability a region; `table` is the training set."""
    regions = root.taxonomy.regions
    parts = [
        pd.DataFrame(said.astype(np.float32), columns=list(regions)).assign(image_id=table["image_id"], judge=judge)
        for judge, said in zip(judges(root.settings), judged.probabilities, strict=True)
    ]
    write_table(root.paths.judgements, pd.concat(parts)[["image_id", "judge", *regions]])


def judgements_of(paths: Paths, image_id: str) -> dict[str, dict[str, float]]:
    """Judge -> region -> probability (0..1) for one image; empty if none are kept."""
    if not paths.judgements.exists():
        return {}
    rows = pq.read_table(paths.judgements, filters=[("image_id", "==", image_id)]).to_pylist()
    return {row["judge"]: {k: v for k, v in row.items() if k not in ("image_id", "judge")} for row in rows}
