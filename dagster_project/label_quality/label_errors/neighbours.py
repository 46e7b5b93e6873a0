"""What the labels of an image's neighbours say: of its own label, and of whether it belongs to any class at all.

Images of a part of the body that is no class lie together in a self-supervised embedding, and whatever labels they
bear, the judges cannot learn them. A wrong label among right ones says nothing of its image; wrong labels all around
say that nothing here has a right one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.neighbors import NearestNeighbors

_CLOSENESS = 10.0  # a neighbour counts exp(10 cosine)
_BLOCK = 1000  # images whose neighbours' neighbours are held at once
_UNDECIDED_VOTERS = 0.5  # neighbours whose votes are spread as all labels are, beside those counted
# Both were fitted on real radiographs by hiding eight classes in turn: 30 or 60 images of each were kept, with labels
# of three or five others, without and with 5 % more labels made wrong (0.502 and 0.051). They are shares of the room
# that the site's usual doubt leaves.
_EVEN = 0.5  # there an image is as likely of no class as of one
_STEP = 0.05  # this much more changes its odds by e


@dataclass(frozen=True)
class Neighbours:
    """The nearest labelled images of other patients, by the cosine of centred embeddings.

    `rows` (N, R) are their numbers, the nearest first; `weight` (N, R) counts them, 0 from the wanted number on.
    `patient` (N,) is the number of each image's group.
    """

    rows: np.ndarray
    weight: np.ndarray
    patient: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean over each image's neighbours of values (N,): (N,), NaN without neighbours."""
        return _average(values[self.rows], self.weight)

    def mean_beyond(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean over each image's neighbours of what `mean` says of them, (N,), the image's own patient
        left out; NaN without neighbours."""
        beyond = np.empty(self.rows.shape)
        for start in range(0, len(self.rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            near = self.rows[block]  # (n, R)
            weight = self.weight[near] * (self.patient[self.rows[near]] != self.patient[block, None, None])  # (n, R, R)
            found = _average(values[self.rows[near]], weight)
            beyond[block] = np.where(np.isnan(found), values[near], found)
        return _average(beyond, self.weight)

    def agreement(self, labels: np.ndarray) -> np.ndarray:
        """Share of the neighbours, each counted once, that bear the image's label; NaN without either."""
        counted = self.weight > 0
        agree = ((labels[self.rows] == labels[:, None]) & counted).sum(axis=1)
        known = (labels >= 0) & counted.any(axis=1)
        return np.where(known, agree / np.maximum(counted.sum(axis=1), 1), np.nan).astype(np.float32)

    def bear(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Weighted share of the neighbours that bear each class's label, (N, classes); 0 without neighbours."""
        shares = [self.mean((labels == number).astype(float)) for number in range(classes)]
        return np.nan_to_num(np.stack(shares, axis=1))

    def vote(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """The neighbours' labels as probabilities, (N, classes): the fewer they are, the more those of all labels."""
        often = np.bincount(labels[np.unique(self.rows[self.weight > 0])], minlength=classes) + 1.0
        counted = (self.weight > 0).sum(axis=1, keepdims=True)
        votes = counted * self.bear(labels, classes) + _UNDECIDED_VOTERS * often / often.sum()
        return votes / votes.sum(axis=1, keepdims=True)


def _average(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean along the last axis; NaN where nothing counts."""
    total = weight.sum(axis=-1)
    return np.where(total > 0, (weight * values).sum(axis=-1) / np.maximum(total, 1e-300), np.nan)


def find_neighbours(embeddings: np.ndarray, known: np.ndarray, groups: np.ndarray, count: int) -> Neighbours:
    """The `count` nearest to each of the embeddings (N, D) among the `known` (bool (N,)) of another of the `groups`."""
    centred = embeddings - embeddings.mean(axis=0)
    among = np.flatnonzero(known)
    search = NearestNeighbors(n_neighbors=min(3 * count, len(among)), metric="cosine").fit(centred[among])
    distance, place = search.kneighbors(centred)
    rows = among[place]  # (N, R)
    other = groups[rows] != groups[:, None]
    counted = other & (np.cumsum(other, axis=1) <= count)
    patient = np.unique(groups, return_inverse=True)[1]
    return Neighbours(rows, np.where(counted, np.exp(-_CLOSENESS * distance), 0), patient)


def no_class_probability(errors_around: np.ndarray) -> np.ndarray:
    """How likely images are of no class, 0..1, given the share of wrong labels among their neighbours (N,).

    What counts is how far it lies above the median: judges that learned little doubt every label.
    """
    usual = float(np.median(errors_around))
    return expit(((errors_around - usual) / max(1 - usual, 1e-9) - _EVEN) / _STEP)
