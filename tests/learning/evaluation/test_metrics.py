"""Scores against values by hand and by scikit-learn; intervals that resample patients, not images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss, recall_score

from dagster_project.learning.evaluation.metrics import calibration_error, patient_bootstrap, scores

REGIONS = ("a", "b", "c", "d")


def drawn(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    logits = rng.normal(0, 1, (count, 4)) + np.eye(4)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def slow_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, 15 bins."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    total = 0.0
    for low in range(15):
        inside = (confidence > low / 15) & (confidence <= (low + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.7, 0.3, 0, 0], [0.6, 0.4, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0.5, 0.5]])
    found = scores(probabilities, np.array([0, 1, 1, 2]), REGIONS)
    assert found["accuracy"] == 0.75
    assert found["recall"] == {"a": 1.0, "b": 0.5, "c": 1.0, "d": None}
    assert found["balanced_accuracy"] == pytest.approx(2.5 / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.7, 0.4, 0.8, 0.5]).mean())


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_scikit_learn_s(seed: int) -> None:
    probabilities, labels = drawn(seed)
    found, predicted = scores(probabilities, labels, REGIONS), probabilities.argmax(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["log_loss"] == pytest.approx(log_loss(labels, probabilities))
    assert list(found["recall"].values()) == pytest.approx(recall_score(labels, predicted, average=None).tolist())


@pytest.mark.parametrize("seed", range(4))
def test_the_calibration_error_is_that_of_a_plain_loop(seed: int) -> None:
    probabilities, labels = drawn(seed)
    assert calibration_error(probabilities, labels) == pytest.approx(
        slow_calibration_error(probabilities, labels), abs=1e-5
    )


def test_calibration_error_at_its_ends() -> None:
    sure = np.eye(4)[[0, 1, 2, 3]]
    assert calibration_error(sure, np.array([0, 1, 2, 3])) == pytest.approx(0)
    assert calibration_error(sure, np.array([1, 2, 3, 0])) == pytest.approx(1)


def test_the_bootstrap_resamples_patients_and_not_images() -> None:
    """Ten images of one patient are all right or all wrong: as evidence they are one."""
    right = np.repeat(np.arange(20) % 2, 10).astype(float)
    by_patient = patient_bootstrap(right, np.repeat(np.arange(20), 10), 4000, 0)
    by_image = patient_bootstrap(right, np.arange(200), 4000, 0)
    assert by_patient.value == by_image.value == 0.5
    wide, narrow = by_patient.high - by_patient.low, by_image.high - by_image.low
    assert wide / narrow == pytest.approx(np.sqrt(10), rel=0.15)
    assert wide == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(20), rel=0.15)


def test_the_bootstrap_is_that_of_a_plain_loop_over_drawn_patients() -> None:
    rng = np.random.default_rng(0)
    patients, values = rng.integers(0, 15, 90), rng.random(90)
    members = [values[patients == p] for p in np.unique(patients)]
    means = [
        np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]).mean() for _ in range(4000)
    ]
    found = patient_bootstrap(values, patients, 4000, 1)
    assert (found.low, found.high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.01)
    assert found.value == pytest.approx(values.mean())


def test_the_bootstrap_is_the_same_under_a_seed_and_takes_names_as_patients() -> None:
    values, patients = np.arange(12) % 2.0, np.array([f"p{i // 2}" for i in range(12)], dtype=object).astype(str)
    assert patient_bootstrap(values, patients, 100, 3) == patient_bootstrap(values, patients, 100, 3)


def test_one_patient_alone_has_no_width() -> None:
    found = patient_bootstrap(np.array([1.0, 0.0]), np.array(["p", "p"]), 50, 0)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
