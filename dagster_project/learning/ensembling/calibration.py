"""Temperature scaling: one number that calibrates a member's confidence. Guo et al. 2017, arXiv 1706.04599."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in 0.05..20 with the lowest log loss of softmax(logits / temperature).

    `logits` is (N, K), `labels` int (N,). A temperature above 1 means that the member was overconfident.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def calibrated(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, K) of logits (N, K) at a temperature."""
    return softmax(logits / temperature, axis=1)
