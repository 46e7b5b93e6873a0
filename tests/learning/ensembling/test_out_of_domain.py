"""The out-of-domain score: doubt and distance to the nearest class, ranked among held-out images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.preprocessing import normalize

from dagster_project.learning.ensembling.out_of_domain import OutOfDomain, confirmed, fit_out_of_domain

CENTRES = 6 * np.eye(4)[:3]
STRANGE = np.array([0, 0, 0, 6.0])  # where out-of-domain images lie


def cloud(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Images of three classes, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return CENTRES[labels] + rng.normal(0, (1, 0.3, 0.3, 0.3), (count, 4)), labels


def strange(seed: int, count: int = 30) -> np.ndarray:
    """Out-of-domain images, which lie together."""
    return STRANGE + np.random.default_rng(seed).normal(0, 0.3, (count, 4))


def sure(labels: np.ndarray, confidence: float = 0.9) -> np.ndarray:
    """Probabilities of three classes."""
    return np.eye(3)[labels] * (confidence - (1 - confidence) / 2) + (1 - confidence) / 2


def patients(count: int) -> np.ndarray:
    """Two images of each."""
    return (np.arange(count) // 2).astype(str)


def fitted(train: np.ndarray, labels: np.ndarray) -> OutOfDomain:
    held_out, truth = cloud(1)
    return fit_out_of_domain(train, labels, patients(len(train)), (held_out, sure(truth, 0.8)))


def test_it_is_the_share_of_held_out_images_whose_doubt_and_distance_together_are_smaller() -> None:
    (train, labels), (held_out, truth), (seen, shown) = cloud(0), cloud(1), cloud(2, 50)
    confidence = np.random.default_rng(9).uniform(0.5, 1, len(held_out))
    probabilities = np.stack([sure(truth[[i]], c)[0] for i, c in enumerate(confidence)])
    found = fit_out_of_domain(train, labels, patients(300), (held_out, probabilities))
    unit = normalize(train)
    means = np.stack([unit[labels == k].mean(axis=0) for k in range(3)])
    precision = LedoitWolf(assume_centered=True).fit(unit - means[labels]).precision_

    def parts(x: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.array([-np.log(p.max()), min(mahalanobis(x / np.linalg.norm(x), mean, precision) for mean in means)])

    reference = np.stack([parts(x, p) for x, p in zip(held_out, probabilities, strict=True)])
    usual = np.median(reference, axis=0)
    spread = (np.quantile(reference, 0.9, axis=0) - usual) / (1, 2)
    asked = np.stack([parts(x, p) for x, p in zip(seen, sure(shown, 0.7), strict=True)])
    unlike, others = (((each - usual) / spread).sum(axis=1) for each in (asked, reference))
    want = (others[None] < unlike[:, None]).mean(axis=1)
    np.testing.assert_allclose(found.score(seen, sure(shown, 0.7)), want, atol=0.01)


def test_doubt_and_distance_each_raise_it_and_new_images_of_the_classes_are_usual() -> None:
    (train, labels), (new, truth) = cloud(0), cloud(2)
    found = fitted(train, labels)
    assert found.score(new, sure(truth, 0.8)).mean() == pytest.approx(0.5, abs=0.1)
    assert (found.score(new, sure(truth, 0.4)) > 0.9).mean() > 0.9
    assert found.score(strange(3), sure(np.zeros(30, int), 0.8)).min() > 0.99


def test_out_of_domain_images_that_lie_together_are_found_though_they_had_labels_in_training() -> None:
    (train, labels), rng = cloud(0), np.random.default_rng(4)
    with_strange = np.concatenate([train, strange(5)])
    any_label = np.concatenate([labels, rng.integers(0, 3, 30)])
    found = fitted(with_strange, any_label)
    counted = confirmed(with_strange, any_label, patients(330))
    assert counted[:300].mean() > 0.95
    assert counted[300:].mean() < 0.2
    assert found.score(strange(6), sure(np.zeros(30, int), 0.8)).min() > 0.99


def test_a_class_whose_images_are_not_confirmed_is_kept_whole() -> None:
    (train, labels) = cloud(0)
    few = np.concatenate([labels[:-2], [3, 3]])  # one patient, among images of other classes
    assert confirmed(train, few, patients(300))[-2:].all()


@pytest.mark.parametrize("count", [7, 30])
def test_fewer_images_than_dimensions_still_give_numbers_in_0_to_1(count: int) -> None:
    rng = np.random.default_rng(0)
    train, labels = rng.normal(size=(count, 64)), np.arange(count) % 3
    held_out = rng.normal(size=(5, 64)), sure(np.arange(5) % 3)
    found = fit_out_of_domain(train, labels, patients(count), held_out)
    scores = found.score(rng.normal(size=(9, 64)), sure(np.arange(9) % 3))
    assert ((scores >= 0) & (scores <= 1)).all()
