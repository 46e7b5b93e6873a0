"""The stage: predict out of fold, rank, write the list, and draw the most suspicious images."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_json, write_rows
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.plotting import draw_montage
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, gather_images, load_training_set
from dagster_project.label_quality.label_errors.oof_predictions import write_oof_predictions
from dagster_project.label_quality.label_errors.out_of_fold import predict_out_of_fold
from dagster_project.label_quality.label_errors.rank import WITHOUT_CLASS, rank_labels
from dagster_project.label_quality.label_errors.tables import KINDS, LABEL_ERRORS
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.neighbours import find_neighbours
from dagster_project.learning.pretraining.methods_on import similarity_encoder

log = logging.getLogger("raytruth")
_SHOWN = 24
_IMAGE_SIZE = 160  # px


@dataclass(frozen=True)
class LabelErrorSummary:
    """Images by kind, the first rows, and the estimated share of wrong labels (the mean error probability)."""

    kinds: dict[str, int]
    estimated_noise: float
    top: pd.DataFrame


def find_label_errors(root: Root) -> LabelErrorSummary:
    """Rank every image by the probability that its label is wrong.

    Writes `data/label_errors.parquet`, `data/oof_predictions.parquet`, metrics and a montage.
    """
    table = load_training_set(root.paths)
    regions = root.taxonomy.regions
    labels = class_numbers(root, table)
    oof = predict_out_of_fold(root, table, labels, len(regions))
    write_oof_predictions(root, table, oof)
    neighbours = find_neighbours(
        load_embeddings(root.paths, similarity_encoder(root.settings), len(table)),
        (labels >= 0) | table["label_status"].isin(WITHOUT_CLASS).to_numpy(bool),
        table["patient_group"].to_numpy(object).astype(str),
        root.settings.label_errors.neighbours,
    )
    ranked = rank_labels(table, labels, oof, regions, neighbours)
    write_rows(root.paths.label_errors, ranked, LABEL_ERRORS)
    kinds = {kind: int((ranked["kind"] == kind).sum()) for kind in KINDS}
    noise = float(ranked.loc[ranked["given_region"].notna(), "error_probability"].mean())
    write_json(root.paths.metrics("label_errors"), {"images": len(ranked), "kinds": kinds, "estimated_noise": noise})
    _draw_suspects(root.paths, table, ranked[ranked["kind"] != "none"].head(_SHOWN))
    log.info("label errors: %s; estimated noise %.1f %%", kinds, 100 * noise)
    return LabelErrorSummary(kinds, noise, ranked.head(_SHOWN))


def load_label_errors(paths: Paths) -> pd.DataFrame:
    """The ranked list. Raises RayTruthError if there is none yet."""
    if not paths.label_errors.exists():
        raise RayTruthError(
            "There is no list of label errors yet",
            where=paths.place(paths.label_errors),
            do="run `raytruth find-errors`",
        )
    return read_table(paths.label_errors)


def _draw_suspects(paths: Paths, table: pd.DataFrame, suspects: pd.DataFrame) -> None:
    rows = table.set_index("image_id").loc[suspects["image_id"]]
    images = gather_images(paths, rows, _IMAGE_SIZE) if len(rows) else np.empty((0, _IMAGE_SIZE, _IMAGE_SIZE), np.uint8)
    given = suspects["given_region"].fillna("no label")
    captions = [f"{g}\n→ {s or 'out of domain'}" for g, s in zip(given, suspects["proposed_region"], strict=True)]
    draw_montage(paths.plot("label_errors", "suspects.png"), images, captions)
