"""A probe that tells how an image is turned, and whether it is inverted: logistic regressions on embeddings.

They learn from the site's own images, each turned and inverted, so "upright" is what the site does. An image that may
be turned is looked at again in all four turns; the four answers about one image count together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from dagster_project.intake.ingestion.pixels.turning import TURNS
from dagster_project.learning.evaluation.linear_head import LinearHead, fit_linear_head
from dagster_project.learning.orientation.views import Sample

# Chosen on planted errors in one site of real radiographs: 0.003 to 0.03 differ by less than 0.01 in AUC.
_INVERSE_REGULARISATION = 0.01
_DOUBT = 0.5  # probability of upright below which an image is looked at again
Embed = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # rows, degrees, inverted -> embeddings


@dataclass(frozen=True)
class Looks:
    """What a probe says of N images: `turn` (N, 4), log probabilities of TURNS; `inverted` (N,), log odds.

    `again` (N,): whether the image was looked at in all four turns.
    """

    turn: np.ndarray
    inverted: np.ndarray
    again: np.ndarray


@dataclass(frozen=True)
class OrientationProbe:
    """`turn` has the classes TURNS, `polarity` the classes right and inverted."""

    turn: LinearHead
    polarity: LinearHead

    def look(self, embeddings: np.ndarray, embed: Embed) -> Looks:
        """Judge images by their embeddings (N, D) as stored; `embed` gives those of doubtful ones turned."""
        turn, inverted = self.turns(embeddings), self.inverted(embeddings)
        again = (turn[:, 0] < np.log(_DOUBT)) | (inverted > 0)
        rows = np.flatnonzero(again)
        flip = inverted[rows] > 0  # what seems inverted is put right first: the turns were learned from right images
        views = np.stack([embed(rows, np.full(len(rows), degrees), flip) for degrees in TURNS], axis=1)
        turn[rows] = self.all_turns(views)
        own = self.inverted(views.reshape(-1, views.shape[-1])).reshape(views.shape[:2]).mean(axis=1)
        inverted[rows] = np.where(flip, -own, own)
        return Looks(turn, inverted, again)

    def turns(self, embeddings: np.ndarray) -> np.ndarray:
        """Log probabilities (N, 4) of TURNS."""
        return np.asarray(log_softmax(self.turn.logits(embeddings), axis=1))

    def all_turns(self, views: np.ndarray) -> np.ndarray:
        """Log probabilities (N, 4) of the image's own turn from its embeddings (N, 4, D) in all four further turns."""
        each = [np.roll(self.turns(views[:, k]), -k, axis=1) for k in range(len(TURNS))]
        return np.asarray(log_softmax(np.mean(each, axis=0), axis=1))

    def inverted(self, embeddings: np.ndarray) -> np.ndarray:
        """Log odds (N,) that black and white are exchanged."""
        logits = self.polarity.logits(embeddings)
        return np.asarray(logits[:, 1] - logits[:, 0], dtype=np.float64)


def fit_probe(sample: Sample) -> OrientationProbe:
    """Fit on images that count as upright."""
    count, turns, size = sample.turns.shape
    turn = fit_linear_head(
        sample.turns.reshape(-1, size), np.tile(np.arange(turns), count), turns, _INVERSE_REGULARISATION
    )
    both = np.concatenate([sample.plain.reshape(-1, size), sample.inverted.reshape(-1, size)])
    polarity = fit_linear_head(both, np.repeat([0, 1], len(both) // 2), 2, _INVERSE_REGULARISATION)
    return OrientationProbe(turn, polarity)
