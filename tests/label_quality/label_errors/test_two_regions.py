"""Visible regions of training images: calibrated without a truth, and out of sample."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.label_quality.label_errors.two_regions import is_one_of_two, region_evidence, visible_out_of_fold
from dagster_project.learning.evaluation.neighbours import Neighbours, find_neighbours

COUNT, FOLDS = 1800, 3
FOLD = np.arange(COUNT) % FOLDS


def a_site(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Neighbours]:
    """Labels, out-of-fold probabilities, the regions that are truly visible (N, 3), and neighbours.

    Images lie on a line from region 0 to region 1 or apart in region 2. In the middle both are visible; the nearer to
    the middle, the more often. The models are overconfident.
    """
    rng = np.random.default_rng(seed)
    apart, at = np.arange(COUNT) % 3 == 0, rng.uniform(0, 1, COUNT)
    both = ~apart & (rng.random(COUNT) < np.clip(1.5 - 5 * np.abs(at - 0.5), 0, 1))
    first = np.where(apart, 2, np.where(both, rng.integers(0, 2, COUNT), (at > 0.5).astype(int)))
    visible = np.eye(3, dtype=bool)[first]
    visible[both, :2] = True
    mean = np.full((COUNT, 3), 0.01)
    mean[:, 1] = np.where(apart, 0.01, 1 / (1 + np.exp(-20 * (at - 0.5))))
    mean[:, 0] = np.where(apart, 0.01, 1 - mean[:, 1])
    mean[:, 2] = np.where(apart, 0.98, 0.01)
    mean /= mean.sum(axis=1, keepdims=True)
    spots = np.stack([np.where(apart, 0, 1), np.where(apart, 0, at), np.where(apart, 1, 0)], axis=1)
    near = find_neighbours(spots, np.ones(COUNT, bool), np.arange(COUNT).astype(str), 20)
    return first, mean, visible, near


def visible_at(labels: np.ndarray, mean: np.ndarray, near: Neighbours) -> np.ndarray:
    return visible_out_of_fold(FOLD, labels, region_evidence(labels, mean, near), np.zeros(COUNT))


@pytest.mark.parametrize("seed", range(3))
def test_of_regions_with_probability_p_a_share_of_about_p_is_visible(seed: int) -> None:
    labels, mean, truth, near = a_site(seed)
    found = visible_at(labels, mean, near)
    for low, high in ((0.0, 0.2), (0.2, 0.6), (0.6, 0.9), (0.9, 1.01)):
        part = (found >= low) & (found < high)
        assert part.sum() > 30, "else the test would prove nothing"
        assert truth[part].mean() == pytest.approx(found[part].mean(), abs=0.15), (low, high)


def test_labels_of_two_regions_are_found_and_others_are_not() -> None:
    labels, mean, truth, near = a_site(0)
    flagged = is_one_of_two(labels, region_evidence(labels, mean, near), visible_at(labels, mean, near))
    both = truth.sum(axis=1) == 2
    assert flagged[both].mean() > 0.7
    assert both[flagged].mean() > 0.7


def test_the_labels_of_a_fold_do_not_calibrate_its_own_probabilities() -> None:
    labels, mean, _, _ = a_site(0)
    mine = FOLD == 1
    relabelled = np.where(mine, (labels + 1) % 3, labels)
    before, after = (visible_out_of_fold(FOLD, of, mean, np.zeros(COUNT)) for of in (labels, relabelled))
    np.testing.assert_array_equal(after[mine], before[mine])
    assert (after[~mine] != before[~mine]).any(), "else the test would prove nothing"


def test_the_label_of_an_image_is_no_evidence_for_this_image() -> None:
    labels, mean, _, near = a_site(0)
    relabelled = np.where(np.arange(COUNT) == 7, (labels + 1) % 3, labels)
    before, after = region_evidence(labels, mean, near), region_evidence(relabelled, mean, near)
    np.testing.assert_array_equal(after[7], before[7])
    assert (after != before).any(), "for the images around it, it is"


def test_without_neighbours_the_models_alone_are_the_evidence() -> None:
    labels, mean, _, _ = a_site(0)
    nobody = Neighbours(np.zeros((COUNT, 1), int), np.zeros((COUNT, 1)), np.arange(COUNT))
    np.testing.assert_array_equal(region_evidence(labels, mean, nobody), mean)


def test_an_image_that_is_out_of_domain_shows_no_region() -> None:
    labels, mean, _, _ = a_site(0)
    usual, strange = np.zeros(COUNT), np.where(np.arange(COUNT) == 3, 0.9, 0.0)
    before, after = (visible_out_of_fold(FOLD, labels, mean, ood) for ood in (usual, strange))
    np.testing.assert_allclose(after[3], before[3] * 0.1)
    np.testing.assert_array_equal(np.delete(after, 3, axis=0), np.delete(before, 3, axis=0))
