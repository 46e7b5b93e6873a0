"""From a probe's answers to probabilities: temperatures from held-out images, and how often the site errs.

The probe learned from as many turned images as upright ones. How many are turned at the site is estimated from all
its images by expectation maximisation (Saerens et al. 2002, Neural Computation 14:21-41).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from dagster_project.learning.orientation.probe import Looks

_ROUNDS = 200
_NOT_UPRIGHT = 0.05  # share of sampled images that may be turned or inverted themselves
_LEAST = 0.005  # share of a turn that no image seems to have: one must be able to be the first


@dataclass(frozen=True)
class HeldOut:
    """Answers about n sampled images, which count as upright, by probes without their patients.

    `turn` (n, 4, 4): log probabilities of TURNS, for the image in each of TURNS. `all_turns` (n, 4): the same for the
    upright image after four looks. `inverted` (n, 4): log odds for two right and two inverted views.
    """

    turn: np.ndarray
    all_turns: np.ndarray
    inverted: np.ndarray

    def of(self, chosen: np.ndarray) -> HeldOut:
        """The chosen images, bool (n,)."""
        return HeldOut(self.turn[chosen], self.all_turns[chosen], self.inverted[chosen])


@dataclass(frozen=True)
class Calibration:
    """Temperatures of the first look, the second look and the polarity; shares of TURNS (4) and of polarity (2)."""

    first: float
    second: float
    polarity: float
    turns: tuple[float, ...]
    inverted: tuple[float, ...]

    def turn_probabilities(self, looks: Looks) -> np.ndarray:
        """(N, 4), rows sum to 1."""
        return np.asarray(softmax(self._turn(looks) + np.log(self.turns), axis=1))

    def inverted_probability(self, looks: Looks) -> np.ndarray:
        """(N,) in 0..1."""
        return np.asarray(softmax(self._polarity(looks) + np.log(self.inverted), axis=1)[:, 1])

    def _turn(self, looks: Looks) -> np.ndarray:
        temperature = np.where(looks.again, self.second, self.first)[:, None]
        return np.asarray(log_softmax(looks.turn / temperature, axis=1))

    def _polarity(self, looks: Looks) -> np.ndarray:
        return np.asarray(log_softmax(_two(looks.inverted) / self.polarity, axis=1))


def calibrate(held_out: HeldOut, looks: Looks) -> Calibration:
    """Temperatures from `held_out`, shares from `looks` at all images of the training set."""
    count, turns = held_out.all_turns.shape
    found = Calibration(
        _temperature(held_out.turn.reshape(-1, turns), np.tile(np.arange(turns), count)),
        _temperature(held_out.all_turns, np.zeros(count, int)),
        _temperature(_two(held_out.inverted.ravel()), np.tile([0, 0, 1, 1], count)),
        (1.0,) * turns,
        (1.0, 1.0),
    )
    return replace(found, turns=_shares(found._turn(looks)), inverted=_shares(found._polarity(looks)))


def _temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of logits (N, K) with the lowest log loss, if a few of the labels (N,) are wrong.

    Plain temperature scaling would blame the probe for every image that the site itself has turned.
    """

    def loss(log_temperature: float) -> float:
        right = softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels]
        return -float(np.log((1 - _NOT_UPRIGHT) * right + _NOT_UPRIGHT / logits.shape[1]).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log((0.05, 20)), method="bounded").x))


def _two(log_odds: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(log_odds), log_odds], axis=1)


def _shares(log_likelihood: np.ndarray) -> tuple[float, ...]:
    """The shares of K classes, from (N, K) of classifiers that learned from equally many images of each."""
    shares = np.full(log_likelihood.shape[1], 1 / log_likelihood.shape[1])
    for _ in range(_ROUNDS):
        shares = np.maximum(softmax(log_likelihood + np.log(shares), axis=1).mean(axis=0), _LEAST)
        shares /= shares.sum()
    return tuple(float(share) for share in shares)
