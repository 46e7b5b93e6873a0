"""Scores of predicted probabilities, and their intervals from resampling patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import log_loss, recall_score
from torchmetrics.functional.classification import multiclass_calibration_error

_BINS = 15


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def patient_bootstrap(scores: np.ndarray, patients: np.ndarray, resamples: int, seed: int) -> Interval:
    """The mean of `scores` (N,) with a 95 % percentile interval over `resamples` draws of whole patients.

    Images of one patient are not independent. So patients (N,), not images, are drawn with replacement.
    Efron & Tibshirani 1993, chapter 8 (clustered data).
    """
    _, number = np.unique(patients, return_inverse=True)
    total = np.bincount(number, weights=scores)
    count = np.bincount(number)
    drawn = np.random.default_rng(seed).multinomial(len(count), np.full(len(count), 1 / len(count)), size=resamples)
    means = drawn @ total / (drawn @ count)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(scores.mean()), float(low), float(high))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error of the top class, 15 equal bins, in 0..1, lower is better. Guo et al. 2017."""
    return float(
        multiclass_calibration_error(
            torch.from_numpy(np.ascontiguousarray(probabilities, dtype=np.float32)),
            torch.from_numpy(labels.astype(np.int64)),
            num_classes=probabilities.shape[1],
            n_bins=_BINS,
        )
    )


def scores(probabilities: np.ndarray, labels: np.ndarray, regions: tuple[str, ...]) -> dict[str, object]:
    """Accuracy, mean recall, log loss, calibration error, and the recall of each class (None without images)."""
    predicted = probabilities.argmax(axis=1)
    present = np.unique(labels)
    recalls = recall_score(labels, predicted, labels=present, average=None, zero_division=0)
    recall = dict.fromkeys(regions) | {regions[k]: float(r) for k, r in zip(present, recalls, strict=True)}
    return {
        "accuracy": float((predicted == labels).mean()),
        "balanced_accuracy": float(recalls.mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=np.arange(len(regions)))),
        "calibration_error": calibration_error(probabilities, labels),
        "recall": recall,
    }
