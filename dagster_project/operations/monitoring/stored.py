"""Whether the predictions on file are the present champion's on a batch as it stands now."""

from __future__ import annotations

from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.paths import Layout
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.learning.ensembling.champion_store import champion_hash


def predictions_stand(layout: Layout, batch: str) -> bool:
    """True if `data/predictions/<batch>.parquet` is of the present champion and of just the images in the headers."""
    if not layout.predictions(batch).exists():
        return False
    table = read_table(layout.predictions(batch), ["image_id", "model"])
    same_images = table["image_id"].tolist() == load_headers(layout, batch)["image_id"].tolist()
    return same_images and bool((table["model"] == champion_hash(layout)).all())


def needs_monitoring(layout: Layout, batch: str) -> bool:
    """Whether there is a champion, and no report of the batch, as it stands now, made with it."""
    champion = champion_hash(layout)
    if not champion or not layout.headers(batch).exists():
        return False
    if not layout.drift(batch).exists():
        return True
    return read_json(layout.drift(batch))["model"] != champion or not predictions_stand(layout, batch)
