"""The out-of-domain score: Mahalanobis distance to the nearest class, ranked among held-out images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from dagster_project.learning.ensembling.mahalanobis import fit_mahalanobis

CENTRES = np.array([[6.0, 0, 0], [0, 6, 0], [0, 0, 6]])


def cloud(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Three classes stretched along one axis."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return CENTRES[labels] + rng.normal(0, (3, 0.5, 0.5), (count, 3)), labels


def test_it_is_the_share_of_held_out_images_that_lie_nearer() -> None:
    (train, labels), (held_out, _), (seen, _) = cloud(0), cloud(1), cloud(2, 50)
    fitted = fit_mahalanobis(train, labels, held_out)
    means = np.stack([train[labels == k].mean(axis=0) for k in range(3)])
    precision = LedoitWolf(assume_centered=True).fit(train - means[labels]).precision_

    def slow(x: np.ndarray) -> float:
        return min(mahalanobis(x, mean, precision) for mean in means)

    reference = np.array([slow(x) for x in held_out])
    want = [(reference < slow(x)).mean() for x in seen]
    np.testing.assert_allclose(fitted.ood_score(seen), want, atol=0.01)


def test_noise_ranks_above_images_of_the_classes() -> None:
    (train, labels), (held_out, _), (same_kind, _) = cloud(0), cloud(1), cloud(2)
    fitted = fit_mahalanobis(train, labels, held_out)
    noise = np.random.default_rng(3).normal(0, 12, (100, 3))
    between = np.tile(CENTRES.mean(axis=0), (5, 1))
    found = fitted.ood_score(same_kind)
    assert np.quantile(found, 0.9) < np.median(fitted.ood_score(noise))
    assert fitted.ood_score(between).min() > 0.99
    np.testing.assert_allclose(found.mean(), 0.5, atol=0.07)


def test_far_along_the_stretched_axis_has_a_lower_score_than_across_it() -> None:
    (train, labels), (held_out, _) = cloud(0), cloud(1)
    along, across = np.add(CENTRES[:1], (4, 0, 0)), np.add(CENTRES[:1], (0, 0, -4))
    fitted = fit_mahalanobis(train, labels, held_out)
    assert fitted.ood_score(along)[0] < 0.95 < fitted.ood_score(across)[0]


@pytest.mark.parametrize("count", [7, 30])
def test_fewer_images_than_dimensions_still_give_numbers_in_0_to_1(count: int) -> None:
    rng = np.random.default_rng(0)
    train, labels = rng.normal(size=(count, 64)), np.arange(count) % 3
    found = fit_mahalanobis(train, labels, rng.normal(size=(5, 64))).ood_score(rng.normal(size=(9, 64)))
    assert ((found >= 0) & (found <= 1)).all()


def test_the_farthest_has_one_and_the_nearest_zero() -> None:
    (train, labels), (held_out, _) = cloud(0), cloud(1)
    fitted = fit_mahalanobis(train, labels, held_out)
    assert fitted.ood_score(np.array([[1e6, 0, 0]])).tolist() == [1.0]
    assert fitted.ood_score(fitted.means[:1])[0] == 0
