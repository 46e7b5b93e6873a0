"""The champion's predictions: on an ingested batch, and on any folder of DICOM files for the site's own use."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.ensembling.champion import load_champion
from dagster_project.ensembling.champion_file import champion_hash
from dagster_project.ensembling.model import Model, Predictions
from dagster_project.errors import RayTruthError
from dagster_project.files import read_table, write_array, write_table
from dagster_project.ingestion.scoring import read_for_scoring
from dagster_project.ingestion.store import load_headers, open_pixels
from dagster_project.layout import Layout
from dagster_project.monitoring.stored import predictions_stand
from dagster_project.params import Params
from dagster_project.progress import track
from dagster_project.training_set.build import load_training_set

log = logging.getLogger("raytruth")
_BLOCK = 1024


def predict_batch(layout: Layout, batch: str) -> pd.DataFrame:
    """Predict an ingested batch with the champion; write `data/predictions/<batch>.parquet` and its embeddings.

    Columns: image_id, patient, region, confidence, agreement, unusual (all but the first three in 0..1), model,
    trained_on (whether the champion's encoders or probes learned from the picture), and one probability a class.
    """
    if not layout.headers(batch).exists():
        raise RayTruthError("No such batch", where=f"batch {batch}", do="ingest it first: `raytruth ingest SOURCE`")
    model = load_champion(layout)
    headers, shard = load_headers(layout, batch), open_pixels(layout, batch)
    found = _in_blocks(model, len(shard), lambda start, stop: shard[start:stop])
    table = headers[["image_id", "patient"]].assign(
        **_columns(model, found),
        agreement=found.agreement.astype(np.float32),
        unusual=found.unusual.astype(np.float32),
        model=champion_hash(layout),
        trained_on=headers["image_id"].isin(_trained_on(layout)),
        **_probabilities(model, found),
    )
    write_array(layout.prediction_embeddings(batch), found.embeddings.astype(np.float16))
    write_table(layout.predictions(batch), table)
    return table


def load_predictions(layout: Layout, batch: str) -> pd.DataFrame:
    """The present champion's predictions on a batch, made anew if those on file are another's or of other headers."""
    if predictions_stand(layout, batch):
        return read_table(layout.predictions(batch))
    return predict_batch(layout, batch)


def score(layout: Layout, params: Params, source: Path, out: Path) -> pd.DataFrame:
    """Predict every usable radiograph under `source` with the champion and write a table to `out`.

    Columns: sop_instance_uid, region, confidence, out_of_domain (0..1, 1 = least like the training pictures), and one
    probability a class under its name. The table holds original UIDs: it is for the site's own use.
    """
    if not out.parent.is_dir():
        raise RayTruthError("The folder for the predictions does not exist", where="--out", do="make it first")
    model = load_champion(layout)
    layout.private.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="scoring-", dir=layout.private))
    try:
        scorable = read_for_scoring(layout, params, source, staging)
        places = np.array(scorable.places)
        found = _in_blocks(model, len(places), lambda start, stop: scorable.pictures[places[start:stop]])
        table = pd.DataFrame(
            {
                "sop_instance_uid": scorable.identities["sop_instance_uid"],
                **_columns(model, found),
                "out_of_domain": found.unusual.astype(np.float32),
                **_probabilities(model, found),
            }
        )
        write_table(out, table)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return table


def _in_blocks(model: Model, count: int, pictures: Callable[[int, int], np.ndarray]) -> Predictions:
    starts = range(0, count, _BLOCK)
    found = [
        model.predict(np.ascontiguousarray(pictures(start, min(start + _BLOCK, count))))
        for start in track(starts, len(starts), "predicting")
    ]
    fields = ("probabilities", "unusual", "agreement", "embeddings")
    return Predictions(*(np.concatenate([getattr(part, name) for part in found]) for name in fields))


def _columns(model: Model, found: Predictions) -> dict[str, np.ndarray]:
    names = np.array(model.regions, dtype=object)
    return {
        "region": names[found.probabilities.argmax(axis=1)],
        "confidence": found.probabilities.max(axis=1).astype(np.float32),
    }


def _probabilities(model: Model, found: Predictions) -> dict[str, np.ndarray]:
    return {region: found.probabilities[:, k].astype(np.float32) for k, region in enumerate(model.regions)}


def _trained_on(layout: Layout) -> pd.Series:
    table = load_training_set(layout)
    return table.loc[table["split"] == "train", "image_id"]
