"""Probabilities of every image's class from models that saw neither its label nor its patient's.

Images fall into folds by patient group. The out-of-fold models for an image of fold k are probes fitted on the other
folds (their inverse regularisation and temperature are chosen on these folds too), and the votes of the nearest images
of the other folds. An encoder trained without labels serves all folds. An encoder trained with labels is trained once
for each fold, on the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.corrected_images import gather_corrected
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.ensembling.calibration import calibrated, fit_temperature
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.linear_head import choose_linear_head, fit_linear_head
from dagster_project.learning.evaluation.neighbours import find_neighbours
from dagster_project.learning.pretraining.learned_from import learned_from
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import self_supervised_on, similarity_encoder

_VOTERS = 10  # nearest images on the encoder of similarity
_LEAST = 1e-9


def oof_encoders(settings: Settings) -> tuple[str, ...]:
    """The encoders of the out-of-fold models: those that saw no label, and the encoder of the fold if trained."""
    return (*self_supervised_on(settings), *((CROSSFIT.encoder,) if settings.learning.trains else ()))


def oof_models(settings: Settings) -> tuple[str, ...]:
    """The names of the out-of-fold models: a probe on each encoder, one on all if there are several, and two more.

    `one_scale` is a probe on the encoder that tells which images are similar, without standardised features;
    `neighbours` are the votes of the most similar images.
    """
    encoders = oof_encoders(settings)
    return (*encoders, *(("all_encoders",) if len(encoders) > 1 else ()), "one_scale", "neighbours")


@dataclass(frozen=True)
class OofPredictions:
    """Predictions for each image, by models that saw neither its label nor the labels of its patient.

    `probabilities` (M, N, K) of M models. `around` (F, N, K): joint predictions of the probes on the self-supervised
    encoders, fitted without the image's own fold and without fold f. So the labels around an image of fold f are
    checked by models that do not know the label of this image.
    """

    probabilities: np.ndarray
    around: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The geometric mean over the models, (N, K); rows sum to 1."""
        return _together(self.probabilities)


def predict_out_of_fold(root: Root, table: pd.DataFrame, labels: np.ndarray, classes: int) -> OofPredictions:
    """Predict every image of the training set out of fold.

    `table` is the training set, `labels` int (N,), -1 for none. Excluded images and images without a label are
    predicted, but no model learns from them. Raises RayTruthError if a fold's encoder is missing, or learned from other
    images or labels than those of the other folds.
    """
    fold, folds = table["fold"].to_numpy(int), root.settings.training_set.folds
    teaches = (labels >= 0) & (table["exclusion"] == "").to_numpy(bool)
    of_fold = _of_folds(root, table, labels) if root.settings.learning.trains else [[] for _ in range(folds)]
    of_all = [load_embeddings(root.paths, encoder, len(table)) for encoder in self_supervised_on(root.settings)]
    probabilities = np.zeros((len(oof_models(root.settings)), len(table), classes))
    around = np.zeros((folds, len(of_all), len(table), classes))
    alike = load_embeddings(root.paths, similarity_encoder(root.settings), len(table))
    for k in range(folds):
        each = [*of_all, *of_fold[k]]
        for j, embeddings in enumerate([*each, np.concatenate(each, axis=1)] if len(each) > 1 else each):
            case = _Case(embeddings, labels, teaches, fold, classes)
            setting = _choose(case, k, root.settings)
            probabilities[j, fold == k] = _predict_fold(case, (k,), k, setting)
            if j < len(of_all):
                for f in range(folds):
                    around[k, j, fold == f] = _predict_fold(case, (k, f), f, setting)
        case = _Case(alike, labels, teaches, fold, classes, standardise=False)
        probabilities[-2, fold == k] = _predict_fold(case, (k,), k, _choose(case, k, root.settings))
        voters = find_neighbours(
            alike, teaches & (fold != k), table["patient_group"].to_numpy(object).astype(str), _VOTERS
        )
        probabilities[-1, fold == k] = voters.vote(labels, classes)[fold == k]
    return OofPredictions(probabilities, np.stack([_together(predicted) for predicted in around]))


def _of_folds(root: Root, table: pd.DataFrame, labels: np.ndarray) -> list[list[np.ndarray]]:
    """For each fold, embeddings (N, D) of all images by the encoder that learned from the other folds."""
    folds = range(root.settings.training_set.folds)
    for k in folds:
        _check_held_out(root.paths, table, labels, k)
    encoders = [open_encoder(root, f"{CROSSFIT.encoder}/fold_{k}") for k in folds]
    images = gather_corrected(root, table, max(encoder.image_size for encoder in encoders))
    return [[encoder.embed(images)] for encoder in encoders]


def _together(probabilities: np.ndarray) -> np.ndarray:
    """The geometric mean over models, (M, N, K) -> (N, K)."""
    return softmax(np.log(np.maximum(probabilities, _LEAST)).mean(axis=0), axis=1)


def _check_held_out(paths: Paths, table: pd.DataFrame, labels: np.ndarray, k: int) -> None:
    """Raise RayTruthError if the encoder of fold k may have seen labels of fold k: new labels or batches move folds."""
    others = ((table["fold"] != k) & (table["exclusion"] == "")).to_numpy(bool)
    card = paths.encoder(CROSSFIT.encoder) / f"fold_{k}" / "card.json"
    known = read_json(card).get("learned_from") if card.exists() else None
    if known != learned_from(table[others], labels[others]):
        raise RayTruthError(
            "The encoders of the folds "
            + ("belong to other folds or labels than the training set" if known else "have not been pretrained"),
            where=paths.place(card.parent),
            do=f"run `raytruth pretrain {CROSSFIT.name}`",
        )


@dataclass(frozen=True)
class _Case:
    """Embeddings (N, D), labels (N,), whether models learn from each image (N,), its fold (N,), number of classes.

    `standardise`: as in `fit_linear_head`.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    teaches: np.ndarray
    fold: np.ndarray
    classes: int
    standardise: bool = True

    def training_data(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embeddings[rows], self.labels[rows]


@dataclass(frozen=True)
class _Setting:
    inverse_regularisation: float
    temperature: float


def _choose(case: _Case, k: int, settings: Settings) -> _Setting:
    """Settings of a probe for fold k: fitted on all other folds except one, chosen on this one."""
    tuning = (k + 1) % settings.training_set.folds
    tune, rest = case.teaches & (case.fold == tuning), case.teaches & (case.fold != tuning) & (case.fold != k)
    inner = case.training_data(rest), case.training_data(tune)
    head, inverse_regularisation = choose_linear_head(
        *inner, case.classes, settings.evaluation.inverse_regularisation, standardise=case.standardise
    )
    return _Setting(inverse_regularisation, fit_temperature(head.logits(case.embeddings[tune]), case.labels[tune]))


def _predict_fold(case: _Case, held_out: tuple[int, ...], predicted: int, setting: _Setting) -> np.ndarray:
    """Probabilities (n, K) of the images of fold `predicted`, by a probe fitted on all folds except those held out."""
    taught = case.teaches & ~np.isin(case.fold, held_out)
    head = fit_linear_head(
        *case.training_data(taught), case.classes, setting.inverse_regularisation, standardise=case.standardise
    )
    return calibrated(head.logits(case.embeddings[case.fold == predicted]), setting.temperature)
