"""Self-training if few images have a label: the others get pseudo-labels from an encoder that saw no label.

A probe on the reference encoder's embeddings learns from the given labels. Its most confident predictions become
pseudo-labels. A method that sees labels then starts from the reference encoder's weights and learns from both. Lee 2013
(ICML workshop on challenges in representation learning); Chen et al. 2020, arXiv 2006.10029.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_FEW = 0.5  # share of the images with a label below which pseudo-labels replace the missing ones
_SUREST = 0.8  # share of the images without a label that get a pseudo-label
_INVERSE_REGULARISATION = 0.03  # C of the probe


def labels_are_few(labels: np.ndarray) -> bool:
    """Whether to use pseudo-labels: labels int (N,), -1 for none, are few, but at least two classes have one."""
    given = labels >= 0
    return bool(given.mean() < _FEW) and len(np.unique(labels[given])) > 1


def with_pseudo_labels(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The labels int (N,); a missing label (-1) becomes the probe's prediction if this is among the most confident.

    `embeddings` is (N, D), of an encoder that saw no label. Given labels do not change.
    """
    given = labels >= 0
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000))
    probe.fit(embeddings[given], labels[given])
    found = probe.predict_proba(embeddings[~given])
    sure = found.max(axis=1) >= np.quantile(found.max(axis=1), 1 - _SUREST)
    out = labels.copy()
    out[~given] = np.where(sure, probe.classes_[found.argmax(axis=1)], -1)
    return out
