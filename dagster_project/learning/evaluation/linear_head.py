"""The linear probe: multinomial logistic regression on frozen embeddings, scaled to length 1 and standardised.

Contrastive losses train directions. The embeddings themselves keep their lengths, which indicate out-of-domain images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.metrics import log_loss

from dagster_project.learning.evaluation.softmax_regression import fit_softmax, rotated


@dataclass(frozen=True)
class LinearHead:
    """A fitted probe: probabilities = softmax((x / |x| - mean) / scale @ weight + bias).

    `mean` and `scale` are (D,), `weight` (D, K), `bias` (K,), for K classes; a class without training images has a
    very low bias, and so probability 0.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K)."""
        return (_unit(embeddings) - self.mean) / self.scale @ self.weight + self.bias

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K), rows sum to 1."""
        return softmax(self.logits(embeddings), axis=1)


_ABSENT = -1e4


def fit_linear_head(
    embeddings: np.ndarray,
    labels: np.ndarray,
    classes: int,
    inverse_regularisation: float,
    *,
    standardise: bool = True,
) -> LinearHead:
    """Fit a probe with an L2 penalty of 1 / `inverse_regularisation` (scikit-learn's C).

    `embeddings` is (N, D), `labels` int (N,) in 0..classes-1, with at least two different classes. Without
    `standardise` all features have one scale, so that the penalty holds back features that vary little.
    """
    return next(_fitted(embeddings, labels, classes, [inverse_regularisation], standardise))


def choose_linear_head(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    candidates: tuple[float, ...],
    *,
    standardise: bool = True,
) -> tuple[LinearHead, float]:
    """Fit one probe per candidate on `train`; keep the probe with the lowest log loss on `validation`.

    Both are (embeddings, labels); candidates are inverse regularisations. `standardise` as in `fit_linear_head`.
    Returns the probe and its candidate.
    """

    def loss(head: LinearHead) -> float:
        return float(log_loss(validation[1], head.probabilities(validation[0]), labels=np.arange(classes)))

    ascending = sorted(candidates)  # each fit starts from the result before
    return min(
        zip(_fitted(*train, classes, ascending, standardise), ascending, strict=True), key=lambda pair: loss(pair[0])
    )


def _fitted(
    embeddings: np.ndarray,
    labels: np.ndarray,
    classes: int,
    inverse_regularisations: Sequence[float],
    standardise: bool,
) -> Iterator[LinearHead]:
    unit = _unit(embeddings)
    mean, scale = unit.mean(axis=0), unit.std(axis=0) + 1e-6
    if not standardise:
        scale = np.full_like(scale, np.sqrt((scale**2).mean()))
    data = rotated(((unit - mean) / scale).astype(np.float32))
    present, number = np.unique(labels, return_inverse=True)
    found = np.zeros((len(data.variance) + 1, len(present)))
    for inverse_regularisation in inverse_regularisations:
        # for two classes scikit-learn keeps one row of weights; two opposite rows have half the penalty of this row
        penalty = (2 if len(present) == 2 else 1) / (inverse_regularisation * len(labels))
        found = fit_softmax(data, number, penalty, found)
        weight = np.zeros((embeddings.shape[1], classes), dtype=np.float32)
        bias = np.full(classes, _ABSENT, dtype=np.float32)
        weight[:, present], bias[present] = data.axes @ found[:-1], found[-1]
        yield LinearHead(mean.astype(np.float32), scale.astype(np.float32), weight, bias)


def _unit(embeddings: np.ndarray) -> np.ndarray:
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
