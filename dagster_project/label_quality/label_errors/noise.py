"""How labels go wrong at this site, learned from the labels themselves, and how likely each one is wrong.

A given label is either that of the image's true class, or, at the site's rate, drawn by an error that turns class t
into class g. The judges' probabilities stand for the true class; rate, errors and the temperature of the judges are
those under which the given labels are likeliest: Dawid & Skene 1979, doi 10.2307/2346806, with judges for a second
rater.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

_ROUNDS = 60
_TUNED_EVERY = 5  # rounds between two fits of the temperature
_PRIOR = 1.0  # errors out of each class, times the classes, that are taken to be spread as the labels are
_LEAST = 1e-9


@dataclass(frozen=True)
class Noise:
    """What is known of the site's errors.

    `rate`: share of the labels that are wrong, 0..1. `errors` (K, K): row t, column g is the share of class t's wrong
    labels that say g; 0 on the diagonal. `temperature` of the judges' logarithms: below 1 if they were too unsure.
    """

    rate: float
    errors: np.ndarray
    temperature: float

    def true_class(self, mean: np.ndarray) -> np.ndarray:
        """The judges' mean probabilities (N, K) as those of the true class (N, K)."""
        return _sharpened(mean, self.temperature)

    def error_probability(self, mean: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """How likely each label is wrong, (N,) in 0..1, given the judges' mean probabilities (N, K) and labels (N,)."""
        wrong, right = _explanations(self.true_class(mean), labels, self.rate, self.errors)
        return wrong.sum(axis=1) / (wrong.sum(axis=1) + right)


def fit_noise(mean: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Noise:
    """Fit to the judges' mean probabilities (N, K) and the given labels, int (N,) without -1; `weights` (N,) in 0..1.

    By expectation maximisation. An error of which nothing is known is as likely to say a class as labels in all do.
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
    """Likelihood of each label as an error out of each class, (N, K), and as the right one, (N,)."""
    return rate * true * errors[:, labels].T, (1 - rate) * true[np.arange(len(labels)), labels] + 1e-300


def _fit_temperature(
    mean: np.ndarray, labels: np.ndarray, weights: np.ndarray, rate: float, errors: np.ndarray
) -> float:
    """The temperature in 0.2..3 under which the labels are likeliest."""

    def loss(log_temperature: float) -> float:
        wrong, right = _explanations(_sharpened(mean, float(np.exp(log_temperature))), labels, rate, errors)
        return -float(weights @ np.log(wrong.sum(axis=1) + right))

    found = minimize_scalar(loss, bounds=(np.log(0.2), np.log(3)), method="bounded")
    return float(np.exp(found.x))


def _sharpened(mean: np.ndarray, temperature: float) -> np.ndarray:
    return softmax(np.log(np.maximum(mean, _LEAST)) / temperature, axis=1)
