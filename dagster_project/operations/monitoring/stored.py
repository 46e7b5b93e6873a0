"""Whether the predictions on file are the present champion's on a batch as it stands now."""

from __future__ import annotations

from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.learning.ensembling.champion_store import champion_hash


def predictions_stand(paths: Paths, batch: str) -> bool:
    """True if `data/predictions/<batch>.parquet` is of the present champion and of just the images in the headers."""
    if not paths.predictions(batch).exists():
        return False
    table = read_table(paths.predictions(batch), ["image_id", "model"])
    same_images = table["image_id"].tolist() == load_headers(paths, batch)["image_id"].tolist()
    return same_images and bool((table["model_version"] == champion_hash(paths)).all())


def needs_monitoring(paths: Paths, batch: str) -> bool:
    """Whether there is a champion, and no report of the batch, as it stands now, made with it."""
    champion = champion_hash(paths)
    if not champion or not paths.headers(batch).exists():
        return False
    if not paths.drift(batch).exists():
        return True
    return read_json(paths.drift(batch))["model_version"] != champion or not predictions_stand(paths, batch)
