"""The champion's predictions on an ingested batch."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_array, write_rows
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.progress import track
from dagster_project.intake.ingestion.batch.store import load_headers, open_pixels
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.learning.encoders.embedding_cache import embed_cached
from dagster_project.learning.ensembling.champion import load_champion, refuse_champion_of_other_regions
from dagster_project.learning.ensembling.champion_store import champion_hash
from dagster_project.learning.ensembling.model import Model, Predictions, Predictor
from dagster_project.operations.monitoring.stored import predictions_are_current
from dagster_project.operations.monitoring.tables import PREDICTIONS

_BLOCK = 1024


def predict_batch(root: Root, batch: str) -> pd.DataFrame:
    """Predict an ingested batch with the champion; write `data/predictions/<batch>.parquet` and its embeddings.

    Columns: image_id, patient, region, confidence, member_agreement, ood_score (these three in 0..1), model_version,
    trained_on (whether the champion's encoders or probes learned from the image), and one probability per class.
    Raises RayTruthError if there is no such batch, no champion, or a champion with other region classes than the root.
    """
    if not root.paths.headers(batch).exists():
        raise RayTruthError("No such batch", where=f"batch {batch}", do="ingest it first: `raytruth ingest SOURCE`")
    model = load_champion(root)
    headers, shard = load_headers(root.paths, batch), open_pixels(root.paths, batch)
    found = _in_blocks(root.paths, model, shard)
    table = headers[["image_id", "patient"]].assign(
        **first_choice(model, found),
        member_agreement=found.member_agreement.astype(np.float32),
        ood_score=found.ood_score.astype(np.float32),
        model_version=champion_hash(root.paths),
        trained_on=headers["image_id"].isin(_trained_on(root.paths)),
        **class_probabilities(model, found),
    )
    write_array(root.paths.prediction_embeddings(batch), found.embeddings.astype(np.float16))
    write_rows(root.paths.predictions(batch), table, PREDICTIONS, model.regions)
    return table


def load_predictions(root: Root, batch: str) -> pd.DataFrame:
    """The present champion's predictions on a batch, made again if the stored ones have another champion or headers.

    Raises RayTruthError like `predict_batch`.
    """
    refuse_champion_of_other_regions(root)
    if predictions_are_current(root.paths, batch):
        return read_table(root.paths.predictions(batch))
    return predict_batch(root, batch)


def _in_blocks(paths: Paths, model: Model, shard: np.ndarray) -> Predictions:
    starts, found = range(0, len(shard), _BLOCK), []
    for start in track(starts, len(starts), "predicting"):
        images = np.ascontiguousarray(shard[start : start + _BLOCK])
        found.append(
            model.predict_embedded({name: embed_cached(paths, e, images) for name, e in model.encoders.items()})
        )
    fields = ("probabilities", "ood_score", "member_agreement", "embeddings")
    return Predictions(*(np.concatenate([getattr(part, name) for part in found]) for name in fields))


def first_choice(model: Predictor, found: Predictions) -> dict[str, np.ndarray]:
    """Columns `region` and `confidence` (0..1)."""
    names = np.array(model.regions, dtype=object)
    return {
        "region": names[found.probabilities.argmax(axis=1)],
        "confidence": found.probabilities.max(axis=1).astype(np.float32),
    }


def class_probabilities(model: Predictor, found: Predictions) -> dict[str, np.ndarray]:
    """One column per class, named like the class."""
    return {region: found.probabilities[:, k].astype(np.float32) for k, region in enumerate(model.regions)}


def _trained_on(paths: Paths) -> pd.Series:
    table = load_training_set(paths)
    return table.loc[table["split"] == "train", "image_id"]
