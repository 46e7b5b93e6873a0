"""How different an embedding is from the training images: the Mahalanobis distance to the nearest class.

Lee et al. 2018, arXiv 1807.03888; the shared covariance is shrunk as Ledoit & Wolf 2004 propose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

_QUANTILES = 201


@dataclass(frozen=True)
class Mahalanobis:
    """The distribution of embeddings: class means (K, D), a whitening matrix (D, D), quantiles of distance (Q,)."""

    means: np.ndarray
    whiten: np.ndarray
    quantiles: np.ndarray

    def ood_score(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,) in 0..1: the share of held-out images that lie nearer to a class; 1 = most different."""
        found = _distance(embeddings, self.means, self.whiten)
        return np.searchsorted(self.quantiles, found) / len(self.quantiles)


def fit_mahalanobis(train: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> Mahalanobis:
    """Fit on training embeddings (N, D) with class numbers (N,); distances are ranked among `held_out` ones (M, D)."""
    means = np.stack([train[labels == k].mean(axis=0) for k in np.unique(labels)])
    centred = train - means[np.unique(labels, return_inverse=True)[1]]
    precision = LedoitWolf(assume_centered=True).fit(centred).precision_
    whiten = np.linalg.cholesky(precision)  # |x @ whiten| is the Mahalanobis length of x
    quantiles = np.quantile(_distance(held_out, means, whiten), np.linspace(0, 1, _QUANTILES))
    return Mahalanobis(means.astype(np.float32), whiten.astype(np.float32), quantiles.astype(np.float32))


def _distance(embeddings: np.ndarray, means: np.ndarray, whiten: np.ndarray) -> np.ndarray:
    """(N,) Mahalanobis distance of (N, D) to the nearest of (K, D)."""
    whitened, centres = embeddings @ whiten, means @ whiten
    return np.min([np.linalg.norm(whitened - centre, axis=1) for centre in centres], axis=0)
