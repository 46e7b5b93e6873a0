"""The effect of one perturbation on the predictions."""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.learning.evaluation.metrics import Interval


@dataclass(frozen=True)
class Effect:
    """What one treatment of the test images does to the ensemble's predictions.

    `changed`: share of predictions that change, 0..1. `accuracy` after it, and its `difference` to before, below 0
    where it hurts; on the labels as given. 95 % intervals, patients resampled.
    """

    treatment: str
    changed: Interval
    accuracy: Interval
    difference: Interval
