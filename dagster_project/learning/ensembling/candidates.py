"""Candidates for the ensemble: a probe on embeddings, with a temperature that calibrates it on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dagster_project.core.settings.settings import Settings
from dagster_project.learning.ensembling.calibration import calibrated, fit_temperature
from dagster_project.learning.evaluation.labelled import LabelledSet
from dagster_project.learning.evaluation.linear_head import LinearHead, choose_linear_head


@dataclass(frozen=True)
class Candidate:
    """A fitted probe, its temperature, and its logits (N, K) of every image of the training set."""

    head: LinearHead
    temperature: float
    logits: np.ndarray

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (R, K) of the given rows."""
        return calibrated(self.logits[rows], self.temperature)


def fit_candidate(embeddings: np.ndarray, data: LabelledSet, rows: np.ndarray, settings: Settings) -> Candidate:
    """Fit a probe on `rows` of the training split; inverse regularisation and temperature are chosen on validation."""
    validation = embeddings[data.validation], data.labels[data.validation]
    head, _ = choose_linear_head(
        (embeddings[rows], data.labels[rows]), validation, len(data.regions), settings.evaluation.inverse_regularisation
    )
    logits = head.logits(embeddings)
    return Candidate(head, fit_temperature(logits[data.validation], validation[1]), logits)


def mixture(probabilities: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """The weighted mean of the members' probabilities, (N, K)."""
    return np.sum([weight * probabilities[name] for name, weight in weights.items()], axis=0)
