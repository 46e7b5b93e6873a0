"""Images that show two regions: the regions that each training image shows, and the labels that name one of two."""

from __future__ import annotations

import numpy as np
from scipy.stats import median_abs_deviation
from sklearn.isotonic import IsotonicRegression

from dagster_project.learning.evaluation.neighbours import Neighbours
from dagster_project.learning.evaluation.visible_regions import visible_regions

_BOTH = 0.5  # minimum probability of each of two visible regions
_OUTLIER = 3.0  # standard deviations above the site's median


def region_evidence(labels: np.ndarray, mean: np.ndarray, neighbours: Neighbours) -> np.ndarray:
    """Evidence for each region in each image, (N, K) in 0..1, by models that did not see its label.

    The geometric mean of the out-of-fold probabilities `mean` (N, K) and of the shares of the neighbours' labels;
    `labels` int (N,), -1 for none.
    """
    shares = neighbours.label_shares(labels, mean.shape[1])
    alone = ~(neighbours.weight > 0).any(axis=1, keepdims=True)
    return np.where(alone, mean, np.sqrt(mean * shares))


def visible_out_of_fold(
    fold: np.ndarray, labels: np.ndarray, evidence: np.ndarray, ood_probability: np.ndarray
) -> np.ndarray:
    """The probability that each image shows each region, (N, K) in 0..1.

    The evidence is calibrated on the labels of the other folds, by one isotonic regression for all regions.
    """
    probability = evidence.copy()
    for k in np.unique(fold):
        others = (labels >= 0) & (fold != k)
        if others.any():
            named = np.arange(evidence.shape[1]) == labels[others, None]  # (n, K)
            curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            curve.fit(evidence[others].ravel(), named.ravel())
            probability[fold == k] = curve.predict(evidence[fold == k].ravel()).reshape(-1, evidence.shape[1])
    return visible_regions(probability) * (1 - ood_probability[:, None])


def is_one_of_two(labels: np.ndarray, evidence: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Whether the label names one of exactly two regions that are probably visible, bool (N,).

    The evidence for both must stand out, because models that learned little see a second region in every image.
    """
    given = labels >= 0
    second = np.sort(evidence[given], axis=1)[:, -2]
    usual = np.median(second) + _OUTLIER * median_abs_deviation(second, scale="normal")
    both = (visible >= _BOTH) & (evidence >= usual)
    return given & (both.sum(axis=1) == 2) & both[np.arange(len(labels)), np.maximum(labels, 0)]
