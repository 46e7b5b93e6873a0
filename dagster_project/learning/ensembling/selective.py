"""Selective classification: accuracy of confident predictions, and confidence thresholds for auto-labelling.

El-Yaniv & Wiener 2010, JMLR 11: coverage is the share of images answered, risk the share of wrong answers among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dagster_project.core.settings.settings import Settings
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap

COVERAGES = (0.90, 0.95, 0.99)


@dataclass(frozen=True)
class Answers:
    """A model's answers for some images: `confidence` (N,) in 0..1, `right` (N,) 1 or 0, `patients` (N,)."""

    confidence: np.ndarray
    right: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class AutoLabel:
    """An auto-labelling threshold. `coverage` is the share of test images with at least `confidence`.

    `confidence` is None if no threshold reaches `wanted` on validation; `accuracy` is None if no test image reaches it.
    """

    wanted: float
    confidence: float | None
    coverage: float
    accuracy: Interval | None


@dataclass(frozen=True)
class Selective:
    """Test accuracy of the most confident images, by their share; and thresholds chosen on validation."""

    accuracy: dict[float, Interval]
    auto_label: list[AutoLabel]


def answers(probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Answers:
    """Answers from probabilities (N, K), compared with class numbers (N,)."""
    right = (probabilities.argmax(axis=1) == labels).astype(float)
    return Answers(probabilities.max(axis=1), right, patients)


def evaluate_selective(validation: Answers, test: Answers, settings: Settings) -> Selective:
    """Test accuracy at each of COVERAGES, and of the thresholds found on validation."""
    most_confident = np.argsort(-test.confidence, kind="stable")
    return Selective(
        {c: _accuracy(test, most_confident[: max(round(c * len(most_confident)), 1)], settings) for c in COVERAGES},
        [_auto_label(wanted, validation, test, settings) for wanted in settings.ensembling.auto_label_accuracy],
    )


def threshold_for(wanted: float, confidence: np.ndarray, right: np.ndarray) -> float | None:
    """The lowest confidence so that images with at least this confidence reach the accuracy `wanted`; None if none is.

    Both arrays are (N,); `wanted` is in 0..1, ends excluded. Only confidences that occur are tried, and only if
    enough images reach them that one error is allowed: fewer images cannot show such an accuracy.
    """
    levels, risk, coverage = risk_coverage(confidence, right)
    allowed = 1 - wanted + 1e-12  # 1 - 0.98 is a little more than 0.02
    enough = np.flatnonzero((risk <= allowed) & (coverage * len(right) * allowed >= 1))
    return float(levels[enough[-1]]) if len(enough) else None


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The risk-coverage curve: levels of confidence (L,), falling; risk (L,) and coverage (L,) of at least each level.

    Both arrays are (N,); `right` is 1 or 0.
    """
    order = np.argsort(-confidence, kind="stable")
    last = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1)  # of each level
    answered = last + 1
    risk = 1 - np.cumsum(right[order])[last] / answered
    return confidence[order][last], risk, answered / len(order)


def _auto_label(wanted: float, validation: Answers, test: Answers, settings: Settings) -> AutoLabel:
    threshold = threshold_for(wanted, validation.confidence, validation.right)
    rows = np.flatnonzero(test.confidence >= (2 if threshold is None else threshold))
    accuracy = _accuracy(test, rows, settings) if len(rows) else None
    return AutoLabel(wanted, threshold, len(rows) / len(test.right), accuracy)


def _accuracy(test: Answers, rows: np.ndarray, settings: Settings) -> Interval:
    return patient_bootstrap(test.right[rows], test.patients[rows], settings.evaluation.bootstrap, settings.seed)
