"""Whether stored predictions of a batch come from the present champion and the present headers."""

from __future__ import annotations

import pyarrow.parquet as pq

from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.learning.ensembling.champion_store import champion_hash


def predictions_are_current(paths: Paths, batch: str) -> bool:
    """Whether `data/predictions/<batch>.parquet` has the present champion and exactly the images in the headers."""
    if not paths.predictions(batch).exists():
        return False
    if "model_version" not in pq.read_schema(paths.predictions(batch)).names:
        return False  # written before version 0.2.0
    table = read_table(paths.predictions(batch), ["image_id", "model_version"])
    same_images = table["image_id"].tolist() == load_headers(paths, batch)["image_id"].tolist()
    return same_images and bool((table["model_version"] == champion_hash(paths)).all())


def needs_monitoring(paths: Paths, batch: str) -> bool:
    """Whether there is a champion without a current report on the batch."""
    champion = champion_hash(paths)
    if not champion or not paths.headers(batch).exists():
        return False
    if not paths.drift(batch).exists():
        return True
    return read_json(paths.drift(batch)).get("model_version") != champion or not predictions_are_current(paths, batch)
