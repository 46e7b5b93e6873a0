"""The labels of an image's neighbours, as evidence on its own label and on whether the image belongs to any class.

Images of a body part that is no class lie together in a self-supervised embedding. Whatever labels these images have,
the out-of-fold models cannot learn them. One wrong label among right ones is no evidence about the image; wrong labels
in the whole neighbourhood are evidence that no class fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.neighbors import NearestNeighbors

_CLOSENESS = 10.0  # a neighbour counts exp(10 cosine)
_BLOCK = 1000  # images whose neighbours' neighbours are held at once
_PRIOR_VOTES = 0.5  # additional votes, distributed as all labels are
# Both were fitted on real radiographs by hiding eight classes in turn: 30 or 60 images of each class were kept, with
# labels of three or five other classes, without and with 5 % additional wrong labels (0.502 and 0.051). They are shares
# of the range above the site's median.
_EVEN = 0.5  # here an image is as likely out of domain as of a class
_STEP = 0.05  # an increase by this step multiplies the odds by e


@dataclass(frozen=True)
class Neighbours:
    """The nearest labelled images of other patients, by the cosine of centred embeddings.

    `rows` (N, R) are their row numbers, the nearest first; `weight` (N, R) is 0 beyond the wanted number of neighbours.
    `patient` (N,) is the number of each image's patient group.
    """

    rows: np.ndarray
    weight: np.ndarray
    patient: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean over each image's neighbours of values (N,): (N,), NaN without neighbours."""
        return _average(values[self.rows], self.weight)

    def mean_beyond(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean over each image's neighbours of the `mean` of each of these, (N,), without the images of the
        image's own patient; NaN without neighbours."""
        beyond = np.empty(self.rows.shape)
        for start in range(0, len(self.rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            near = self.rows[block]  # (n, R)
            weight = self.weight[near] * (self.patient[self.rows[near]] != self.patient[block, None, None])  # (n, R, R)
            found = _average(values[self.rows[near]], weight)
            beyond[block] = np.where(np.isnan(found), values[near], found)
        return _average(beyond, self.weight)

    def agreement(self, labels: np.ndarray) -> np.ndarray:
        """Unweighted share of the neighbours that have the image's label, (N,); NaN without neighbours or label."""
        counted = self.weight > 0
        agree = ((labels[self.rows] == labels[:, None]) & counted).sum(axis=1)
        known = (labels >= 0) & counted.any(axis=1)
        return np.where(known, agree / np.maximum(counted.sum(axis=1), 1), np.nan).astype(np.float32)

    def label_shares(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """Weighted share of the neighbours with each class's label, (N, classes); 0 without neighbours."""
        shares = [self.mean((labels == number).astype(float)) for number in range(classes)]
        return np.nan_to_num(np.stack(shares, axis=1))

    def vote(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """The neighbours' labels as probabilities, (N, classes); with few neighbours, closer to the shares of all
        labels."""
        often = np.bincount(labels[np.unique(self.rows[self.weight > 0])], minlength=classes) + 1.0
        counted = (self.weight > 0).sum(axis=1, keepdims=True)
        votes = counted * self.label_shares(labels, classes) + _PRIOR_VOTES * often / often.sum()
        return votes / votes.sum(axis=1, keepdims=True)


def _average(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean along the last axis; NaN where all weights are 0."""
    total = weight.sum(axis=-1)
    return np.where(total > 0, (weight * values).sum(axis=-1) / np.maximum(total, 1e-300), np.nan)


def find_neighbours(embeddings: np.ndarray, known: np.ndarray, groups: np.ndarray, count: int) -> Neighbours:
    """The `count` nearest neighbours of each of the embeddings (N, D), `known` (bool (N,)) images of other `groups`."""
    centred = embeddings - embeddings.mean(axis=0)
    among = np.flatnonzero(known)
    search = NearestNeighbors(n_neighbors=min(3 * count, len(among)), metric="cosine").fit(centred[among])
    distance, place = search.kneighbors(centred)
    rows = among[place]  # (N, R)
    other = groups[rows] != groups[:, None]
    counted = other & (np.cumsum(other, axis=1) <= count)
    patient = np.unique(groups, return_inverse=True)[1]
    return Neighbours(rows, np.where(counted, np.exp(-_CLOSENESS * distance), 0), patient)


def out_of_domain_probability(neighbourhood_errors: np.ndarray) -> np.ndarray:
    """The probability that images belong to no class, (N,) in 0..1, given the share of wrong labels around them (N,).

    Only the distance above the median counts, because models that learned little doubt every label.
    """
    usual = float(np.median(neighbourhood_errors))
    return expit(((neighbourhood_errors - usual) / max(1 - usual, 1e-9) - _EVEN) / _STEP)
