"""The site's noise, fitted to labels: its rate, which classes are mistaken for which, and each label's probability."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.label_quality.label_errors.noise import fit_noise

CLASSES, COUNT = 4, 4000


def case(rate: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, labels with a share `rate` wrong (class 0 as 1, others as any), and calibrated predictions (N, K)."""
    rng = np.random.default_rng(seed)
    mean = rng.dirichlet([0.15] * CLASSES, COUNT)
    truth = (rng.random(COUNT)[:, None] > mean.cumsum(axis=1)).sum(axis=1)
    elsewhere = np.where(truth == 0, 1, (truth + rng.integers(1, CLASSES, COUNT)) % CLASSES)
    return truth, np.where(rng.random(COUNT) < rate, elsewhere, truth), mean


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.25])
def test_the_rate_of_wrong_labels_is_found(rate: float) -> None:
    _, labels, mean = case(rate)
    assert fit_noise(mean, labels, np.ones(COUNT)).rate == pytest.approx(rate, abs=0.025)


def test_what_a_class_is_mistaken_for_is_found() -> None:
    _, labels, mean = case(0.2)
    noise = fit_noise(mean, labels, np.ones(COUNT))
    assert noise.errors[0, 1] > 0.9
    assert noise.errors[2].max() < 0.6
    np.testing.assert_allclose(noise.errors.sum(axis=1), 1)
    assert np.diag(noise.errors).max() == 0


def test_probabilities_are_calibrated() -> None:
    truth, labels, mean = case(0.15)
    found = fit_noise(mean, labels, np.ones(COUNT)).error_probability(mean, labels)
    wrong = truth != labels
    assert found.sum() == pytest.approx(wrong.sum(), rel=0.1)
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 1.0)):
        among = (found >= low) & (found <= high)
        assert wrong[among].mean() == pytest.approx(found[among].mean(), abs=0.06)


def test_a_known_mistake_raises_the_doubt_of_a_label_that_it_gives() -> None:
    _, labels, mean = case(0.2)
    noise = fit_noise(mean, labels, np.ones(COUNT))
    between = np.full((2, CLASSES), 0.02)
    between[0, [0, 1]] = between[1, [0, 2]] = 0.48
    as_mistaken, otherwise = noise.error_probability(between, np.array([1, 2]))
    assert as_mistaken > otherwise


def test_images_that_do_not_count_change_nothing() -> None:
    _, labels, mean = case(0.1)
    weights = (np.arange(COUNT) < 3000).astype(float)
    changed = np.where(weights > 0, labels, 0)
    one, other = fit_noise(mean, labels, weights), fit_noise(mean, changed, weights)
    assert one.rate == pytest.approx(other.rate)
    np.testing.assert_allclose(one.errors, other.errors, atol=1e-6)
