"""Probabilities and unusualness of every picture from models that saw neither its label nor its patient's.

Pictures fall into folds by patient group. A picture of fold k is judged by probes fitted on the other folds, whose
strength and temperature are chosen within those other folds too. An encoder trained without labels serves all folds; a
SupCon encoder has learned from labels, so fold k has one of its own, trained on the other folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.ensembling.calibration import calibrated, fit_temperature
from dagster_project.ensembling.unusual import fit_usual
from dagster_project.errors import RayTruthError
from dagster_project.evaluation.embeddings import load_embeddings
from dagster_project.evaluation.linear_head import choose_linear_head, fit_linear_head
from dagster_project.files import read_json
from dagster_project.layout import CROSSFIT, SELF_SUPERVISED, Layout
from dagster_project.params import Params
from dagster_project.pretraining.backbone import load_backbone
from dagster_project.pretraining.embed import embed
from dagster_project.pretraining.encoder import learned_from
from dagster_project.pretraining.views import viewed_px
from dagster_project.training_set.build import gather_pictures

JUDGES = (*SELF_SUPERVISED, CROSSFIT)


@dataclass(frozen=True)
class Judged:
    """What the JUDGES, none of which saw a picture's label or its patient's, say of it.

    `probabilities` (J, N, K); `unusual` (J, N) in 0..1, 1 = least like the other folds' pictures.
    """

    probabilities: np.ndarray
    unusual: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The judges' mean probabilities, (N, K)."""
        return self.probabilities.mean(axis=0)


def judge(layout: Layout, params: Params, table: pd.DataFrame, labels: np.ndarray, classes: int) -> Judged:
    """Judge every picture of the training set out of sample.

    `table` is the training set, `labels` int (N,), -1 for none; pictures without a label, or excluded as copies, are
    judged but teach nothing. Raises RayTruthError if a fold's encoder is missing or learned from other pictures or
    labels than those of the other folds.
    """
    fold = table["fold"].to_numpy(int)
    teaches = (labels >= 0) & (table["excluded"] == "").to_numpy(bool)
    pictures = gather_pictures(layout, table, viewed_px(params.learning))
    probabilities = np.zeros((len(JUDGES), len(table), classes))
    unusual = np.zeros((len(JUDGES), len(table)))
    for k in range(params.training_set.folds):
        mine = fold == k
        _check_held_out(layout, table, labels, k)
        for j, embeddings in enumerate(_embeddings_for(layout, params, pictures, k)):
            probabilities[j, mine], unusual[j, mine] = _judge_fold(
                embeddings, labels, teaches, fold, k, classes, params
            )
    return Judged(probabilities, unusual)


def _check_held_out(layout: Layout, table: pd.DataFrame, labels: np.ndarray, k: int) -> None:
    """Folds move when labels or batches come, and an encoder of the old folds may know labels that it would judge."""
    others = ((table["fold"] != k) & (table["excluded"] == "")).to_numpy(bool)
    card = layout.encoder(CROSSFIT) / f"fold_{k}" / "card.json"
    known = read_json(card).get("learned_from") if card.exists() else None
    if known != learned_from(table[others], labels[others]):
        raise RayTruthError(
            "The encoders that judge labels "
            + ("are of other folds or labels than the training set's" if known else "have not been pretrained"),
            where=f"models/{CROSSFIT}/fold_{k}",
            do="run `raytruth pretrain crossfit`",
        )


def _embeddings_for(layout: Layout, params: Params, pictures: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Embeddings (N, D) of each judge's encoder for fold k."""
    for encoder in SELF_SUPERVISED:
        yield load_embeddings(layout, encoder, len(pictures))
    backbone = load_backbone(layout.encoder(CROSSFIT) / f"fold_{k}" / "weights.safetensors", params.learning)
    yield embed(backbone, pictures, params.learning)


def _judge_fold(
    embeddings: np.ndarray,
    labels: np.ndarray,
    teaches: np.ndarray,
    fold: np.ndarray,
    k: int,
    classes: int,
    params: Params,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n, K) and unusualness (n,) of fold k's pictures."""
    tuning = (k + 1) % params.training_set.folds
    tune, rest = teaches & (fold == tuning), teaches & (fold != tuning) & (fold != k)
    inner = (embeddings[rest], labels[rest]), (embeddings[tune], labels[tune])
    head, strength = choose_linear_head(*inner, classes, params.evaluation.inverse_regularisation)
    temperature = fit_temperature(head.logits(embeddings[tune]), labels[tune])
    final = fit_linear_head(embeddings[tune | rest], labels[tune | rest], classes, strength)
    usual = fit_usual(embeddings[rest], labels[rest], embeddings[tune])
    mine = embeddings[fold == k]
    return calibrated(final.logits(mine), temperature), usual.unusualness(mine)
