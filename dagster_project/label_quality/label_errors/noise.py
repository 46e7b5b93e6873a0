"""The label noise of this site, estimated from the labels themselves, and the probability that each label is wrong.

A given label is the image's true class or, at the site's noise rate, an error that turns class t into class g. The
out-of-fold probabilities stand for the true class. Noise rate, error matrix and temperature are the maximum-likelihood
estimates for the given labels: Dawid & Skene 1979, doi 10.2307/2346806, with the out-of-fold models as second rater.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

_ROUNDS = 60
_TUNED_EVERY = 5  # rounds between two fits of the temperature
_PRIOR = 1.0  # pseudo-count of errors out of each class and into each class, distributed as the labels are
_LEAST = 1e-9


@dataclass(frozen=True)
class Noise:
    """The estimated label noise of the site.

    `rate`: share of the labels that are wrong, 0..1. `errors` (K, K): row t, column g is the share of class t's wrong
    labels that name class g; 0 on the diagonal. `temperature` of the out-of-fold log probabilities: below 1 if these
    were underconfident.
    """

    rate: float
    errors: np.ndarray
    temperature: float

    def true_class(self, mean: np.ndarray) -> np.ndarray:
        """The mean out-of-fold probabilities (N, K) as probabilities of the true class (N, K)."""
        return _sharpened(mean, self.temperature)

    def error_probability(self, mean: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The probability that each label is wrong, (N,) in 0..1, given mean probabilities (N, K) and labels (N,)."""
        wrong, right = _explanations(self.true_class(mean), labels, self.rate, self.errors)
        return wrong.sum(axis=1) / (wrong.sum(axis=1) + right)


def fit_noise(mean: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Noise:
    """Fit to the mean out-of-fold probabilities (N, K) and the given labels, int (N,) without -1.

    `weights` (N,) in 0..1. By expectation maximisation. Without evidence, the class that an error names is distributed
    as the labels are.
    """
    classes, total = mean.shape[1], max(float(weights.sum()), _LEAST)
    often = np.bincount(labels, weights, classes) + _LEAST
    spread = np.tile(often, (classes, 1)) * (1 - np.eye(classes))
    spread /= spread.sum(axis=1, keepdims=True)
    rate, errors, temperature = 0.05, spread, 1.0
    for turn in range(_ROUNDS):
        if turn % _TUNED_EVERY == 0:
            temperature = _fit_temperature(mean, labels, weights, rate, errors)
        wrong, right = _explanations(_sharpened(mean, temperature), labels, rate, errors)
        share = weights[:, None] * wrong / (wrong.sum(axis=1) + right)[:, None]  # (N, K)
        rate = float(np.clip(share.sum() / total, _LEAST, 0.5))
        counted = np.stack([np.bincount(labels, share[:, true], classes) for true in range(classes)])
        errors = counted + _PRIOR * classes * spread
        errors /= errors.sum(axis=1, keepdims=True)
    return Noise(rate, errors, temperature)


def _explanations(
    true: np.ndarray, labels: np.ndarray, rate: float, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Likelihood of each label as an error out of each class, (N, K), and as the right label, (N,)."""
    return rate * true * errors[:, labels].T, (1 - rate) * true[np.arange(len(labels)), labels] + 1e-300


def _fit_temperature(
    mean: np.ndarray, labels: np.ndarray, weights: np.ndarray, rate: float, errors: np.ndarray
) -> float:
    """The maximum-likelihood temperature in 0.2..3."""

    def loss(log_temperature: float) -> float:
        wrong, right = _explanations(_sharpened(mean, float(np.exp(log_temperature))), labels, rate, errors)
        return -float(weights @ np.log(wrong.sum(axis=1) + right))

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(3)), method="bounded")
    return float(np.exp(found.x))


def _sharpened(mean: np.ndarray, temperature: float) -> np.ndarray:
    return softmax(np.log(np.maximum(mean, _LEAST)) / temperature, axis=1)
