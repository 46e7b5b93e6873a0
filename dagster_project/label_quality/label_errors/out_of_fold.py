"""Probabilities of every image's class from models that saw neither its label nor its patient's.

Images fall into folds by patient group. An image of fold k is judged by probes fitted on the other folds, whose inverse
regularisation and temperature are chosen within those other folds too, and by the votes of its nearest images of the
other folds. An encoder trained without labels serves all folds; one that learns from labels is trained once a fold, on
the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.label_quality.label_errors.neighbours import find_neighbours
from dagster_project.learning.encoders.encoder import Encoder, open_encoder
from dagster_project.learning.ensembling.calibration import calibrated, fit_temperature
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.linear_head import choose_linear_head, fit_linear_head
from dagster_project.learning.pretraining.encoder import learned_from
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import reference_encoder, self_supervised_on

_VOTERS = 10  # nearest images on the reference encoder
_LEAST = 1e-9


def judging_encoders(settings: Settings) -> tuple[str, ...]:
    """The encoders that may judge labels: those that saw none, and that of the fold, which saw the others'."""
    return (*self_supervised_on(settings), CROSSFIT.encoder)


def judges(settings: Settings) -> tuple[str, ...]:
    """The names of the judges: a probe on each encoder and on all together, and votes."""
    return (*judging_encoders(settings), "all_side_by_side", "neighbours")


@dataclass(frozen=True)
class Judged:
    """What the judges, none of which saw an image's label or its patient's, say of it.

    `probabilities` (J, N, K). `around` (F, N, K): what probes on the self-supervised encoders say together of every
    image when neither its own fold nor fold f taught them, so that the labels around an image of fold f are doubted
    by models that do not know its label.
    """

    probabilities: np.ndarray
    around: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The judges' geometric mean, (N, K); rows sum to 1."""
        return _together(self.probabilities)


def judge(root: Root, table: pd.DataFrame, labels: np.ndarray, classes: int) -> Judged:
    """Judge every image of the training set out of sample.

    `table` is the training set, `labels` int (N,), -1 for none; images without a label, or excluded, are
    judged but teach nothing. Raises RayTruthError if a fold's encoder is missing or learned from other images or
    labels than those of the other folds.
    """
    fold, folds = table["fold"].to_numpy(int), root.settings.training_set.folds
    teaches = (labels >= 0) & (table["exclusion"] == "").to_numpy(bool)
    for k in range(folds):
        _check_held_out(root.paths, table, labels, k)
    of_fold = [open_encoder(root, f"{CROSSFIT.encoder}/fold_{k}") for k in range(folds)]
    images = gather_images(root.paths, table, max(encoder.image_size for encoder in of_fold))
    unlabelled = len(self_supervised_on(root.settings))
    probabilities = np.zeros((len(judges(root.settings)), len(table), classes))
    around = np.zeros((folds, unlabelled, len(table), classes))
    alike = load_embeddings(root.paths, reference_encoder(root.settings), len(table))
    for k in range(folds):
        each = list(_embeddings_for(root, images, of_fold[k]))
        for j, embeddings in enumerate([*each, np.concatenate(each, axis=1)]):
            case = _Case(embeddings, labels, teaches, fold, classes)
            setting = _choose(case, k, root.settings)
            probabilities[j, fold == k] = _judged(case, (k,), k, setting)
            if j < unlabelled:
                for f in range(folds):
                    around[k, j, fold == f] = _judged(case, (k, f), f, setting)
        voters = find_neighbours(
            alike, teaches & (fold != k), table["patient_group"].to_numpy(object).astype(str), _VOTERS
        )
        probabilities[-1, fold == k] = voters.vote(labels, classes)[fold == k]
    return Judged(probabilities, np.stack([_together(said) for said in around]))


def _together(said: np.ndarray) -> np.ndarray:
    """The geometric mean of probabilities (J, N, K), (N, K)."""
    return softmax(np.log(np.maximum(said, _LEAST)).mean(axis=0), axis=1)


def _check_held_out(paths: Paths, table: pd.DataFrame, labels: np.ndarray, k: int) -> None:
    """Folds move when labels or batches come, and an encoder of the old folds may know labels that it would judge."""
    others = ((table["fold"] != k) & (table["exclusion"] == "")).to_numpy(bool)
    card = paths.encoder(CROSSFIT.encoder) / f"fold_{k}" / "card.json"
    known = read_json(card).get("learned_from") if card.exists() else None
    if known != learned_from(table[others], labels[others]):
        raise RayTruthError(
            "The encoders that judge labels "
            + ("are of other folds or labels than the training set's" if known else "have not been pretrained"),
            where=f"models/{CROSSFIT.encoder}/fold_{k}",
            do=f"run `raytruth pretrain {CROSSFIT.name}`",
        )


def _embeddings_for(root: Root, images: np.ndarray, of_fold: Encoder) -> Iterator[np.ndarray]:
    """Embeddings (N, D) of each of the `judging_encoders` for a fold."""
    for encoder in self_supervised_on(root.settings):
        yield load_embeddings(root.paths, encoder, len(images))
    yield of_fold.embed(images)


@dataclass(frozen=True)
class _Case:
    """Embeddings (N, D), labels (N,), whether each teaches (N,), its fold (N,), and the number of classes."""

    embeddings: np.ndarray
    labels: np.ndarray
    teaches: np.ndarray
    fold: np.ndarray
    classes: int

    def lesson(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.embeddings[rows], self.labels[rows]


@dataclass(frozen=True)
class _Setting:
    inverse_regularisation: float
    temperature: float


def _choose(case: _Case, k: int, settings: Settings) -> _Setting:
    """Settings of a probe for fold k: it is fitted on the other folds but one, and they are chosen on that one."""
    tuning = (k + 1) % settings.training_set.folds
    tune, rest = case.teaches & (case.fold == tuning), case.teaches & (case.fold != tuning) & (case.fold != k)
    inner = case.lesson(rest), case.lesson(tune)
    head, inverse_regularisation = choose_linear_head(*inner, case.classes, settings.evaluation.inverse_regularisation)
    return _Setting(inverse_regularisation, fit_temperature(head.logits(case.embeddings[tune]), case.labels[tune]))


def _judged(case: _Case, held_out: tuple[int, ...], asked: int, setting: _Setting) -> np.ndarray:
    """Probabilities (n, K) of the images of fold `asked` from a probe fitted on all folds but those held out."""
    taught = case.teaches & ~np.isin(case.fold, held_out)
    head = fit_linear_head(*case.lesson(taught), case.classes, setting.inverse_regularisation)
    return calibrated(head.logits(case.embeddings[case.fold == asked]), setting.temperature)
