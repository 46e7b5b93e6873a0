"""Temperature scaling makes confidence honest and changes no choice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from dagster_project.learning.ensembling.calibration import calibrated, fit_temperature
from dagster_project.learning.evaluation.metrics import calibration_error


def drawn_logits(seed: int, count: int = 4000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Honest logits: labels are drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    chosen = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return logits, chosen


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0, 10.0])
def test_it_finds_the_factor_by_which_honest_logits_were_blown_up(factor: float) -> None:
    logits, labels = drawn_logits(0)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.1)


def test_it_lowers_log_loss_and_calibration_error_of_overconfident_logits_it_has_not_seen() -> None:
    logits, labels = drawn_logits(1)
    half, sure = slice(0, 2000), 5 * logits
    temperature = fit_temperature(sure[half], labels[half])
    rest, own = sure[2000:], labels[2000:]
    assert log_loss(rest / temperature, own) < 0.6 * log_loss(rest, own)
    assert calibration_error(calibrated(rest, temperature), own) < 0.05 < calibration_error(calibrated(rest, 1.0), own)


def test_no_temperature_within_its_bounds_is_better() -> None:
    logits, labels = drawn_logits(2, count=300)
    best = log_loss(logits / fit_temperature(logits, labels), labels)
    assert all(best <= log_loss(logits / t, labels) + 1e-6 for t in np.geomspace(0.05, 20, 200))


def test_choices_stay_and_rows_sum_to_one() -> None:
    logits, _ = drawn_logits(3, count=200)
    for temperature in (0.05, 1.0, 20.0):
        found = calibrated(logits, temperature)
        np.testing.assert_allclose(found.sum(axis=1), 1)
        np.testing.assert_array_equal(found.argmax(axis=1), logits.argmax(axis=1))


def test_a_member_that_is_always_right_gets_a_finite_temperature() -> None:
    labels = np.arange(30) % 3
    assert 0.049 < fit_temperature(50.0 * np.eye(3)[labels], labels) < 20.1
