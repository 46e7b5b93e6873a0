"""Greedy choice of ensemble members, with repetition. Caruana et al. 2004 (ICML), doi 10.1145/1015330.1015432."""

from __future__ import annotations

from collections import Counter

import numpy as np


def select_members(
    probabilities: dict[str, np.ndarray], labels: np.ndarray, *, most: int, min_gain: float
) -> dict[str, float]:
    """Weights, summing to 1, of the members; their weighted mean has the lowest log loss on validation.

    `probabilities` maps a member to (N, K), `labels` is int (N,). Members are added one at a time, the best first, and
    may be added again. The selection ends after `most` additions, or when no member lowers the log loss by more than
    `min_gain`. Ties go to the first name.
    """
    of_label = {name: p[np.arange(len(labels)), labels] for name, p in sorted(probabilities.items())}
    chosen: list[str] = []
    total, best = np.zeros(len(labels)), np.inf
    while len(chosen) < most:
        losses = {name: _log_loss((total + p) / (len(chosen) + 1)) for name, p in of_label.items()}
        name = min(losses, key=lambda member: losses[member])
        if best - losses[name] <= min_gain:
            break
        best = losses[name]
        total += of_label[name]
        chosen.append(name)
    return {name: count / len(chosen) for name, count in sorted(Counter(chosen).items())}


def _log_loss(probability_of_label: np.ndarray) -> float:
    return float(-np.log(np.clip(probability_of_label, 1e-12, 1)).mean())
