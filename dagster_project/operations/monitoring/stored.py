"""Whether the predictions on file are the present champion's on a batch as it stands now."""

from __future__ import annotations

from dagster_project.core.atomic_io import read_table
from dagster_project.core.paths import Layout
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.learning.ensembling.champion_store import champion_hash


def predictions_stand(layout: Layout, batch: str) -> bool:
    """True if `data/predictions/<batch>.parquet` is of the present champion and of just the pictures in the headers."""
    if not layout.predictions(batch).exists():
        return False
    table = read_table(layout.predictions(batch), ["image_id", "model"])
    same_pictures = table["image_id"].tolist() == load_headers(layout, batch)["image_id"].tolist()
    return same_pictures and bool((table["model"] == champion_hash(layout)).all())
