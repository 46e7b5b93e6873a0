"""The linear probe: multinomial logistic regression on frozen, standardised embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss


@dataclass(frozen=True)
class LinearHead:
    """A fitted probe: probabilities = softmax((x - mean) / scale @ weight + bias).

    `mean` and `scale` are (D,), `weight` (D, K), `bias` (K,), for K classes; a class without training pictures has a
    bias of minus infinity's stand-in, hence probability 0.
    """

    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K)."""
        return (embeddings - self.mean) / self.scale @ self.weight + self.bias

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K), rows sum to 1."""
        return softmax(self.logits(embeddings), axis=1)


_ABSENT = -1e4


def fit_linear_head(
    embeddings: np.ndarray, labels: np.ndarray, classes: int, inverse_regularisation: float
) -> LinearHead:
    """Fit a probe with L2 strength 1 / `inverse_regularisation` (scikit-learn's C).

    `embeddings` is (N, D), `labels` int (N,) in 0..classes-1, at least two of them different.
    """
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 1e-6
    # Newton's method takes a tenth of the default's time here, at the same log loss on validation.
    model = LogisticRegression(C=inverse_regularisation, solver="newton-cg", tol=1e-3)
    model.fit(((embeddings - mean) / scale).astype(np.float32), labels)
    weight = np.zeros((embeddings.shape[1], classes), dtype=np.float32)
    bias = np.full(classes, _ABSENT, dtype=np.float32)
    if len(model.classes_) == 2:  # scikit-learn then keeps one row, for the second class
        weight[:, model.classes_[1]], bias[model.classes_] = model.coef_[0], (0, model.intercept_[0])
    else:
        weight[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return LinearHead(mean.astype(np.float32), scale.astype(np.float32), weight, bias)


def choose_linear_head(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    classes: int,
    candidates: tuple[float, ...],
) -> tuple[LinearHead, float]:
    """Fit one probe a candidate strength on `train`, keep the one with the least log loss on `validation`.

    Both are (embeddings, labels). Returns the probe and its strength.
    """
    fitted = [(fit_linear_head(*train, classes, c), c) for c in candidates]

    def loss(head: LinearHead) -> float:
        return float(log_loss(validation[1], head.probabilities(validation[0]), labels=np.arange(classes)))

    return min(fitted, key=lambda pair: loss(pair[0]))
