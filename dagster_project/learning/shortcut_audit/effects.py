"""The effect of one perturbation on the predictions."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.learning.evaluation.metrics import Interval


@dataclass(frozen=True)
class Effect:
    """The effect of one perturbation of the test images on the ensemble's predictions.

    `changed`: share of predictions that change, 0..1. `accuracy`: with the perturbation, against the given labels.
    `difference`: to the accuracy without perturbation, below 0 for a loss. 95 % intervals, patients resampled.
    """

    perturbation: str
    changed: Interval
    accuracy: Interval
    difference: Interval
