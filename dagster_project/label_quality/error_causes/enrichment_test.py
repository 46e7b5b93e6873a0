"""A test whether more labels are wrong in a group of images than among comparable images."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc


def p_value(
    probability: np.ndarray, patients: np.ndarray, inside: np.ndarray, compared: np.ndarray, strata: np.ndarray
) -> float:
    """One-sided p-value that `inside` (bool (N,)) holds more wrong labels than the rest of `compared` (bool (N,)).

    `probability` (N,) in 0..1 is the probability that each label is wrong; `patients` and `strata` are int (N,). Given
    the number of errors in each stratum, the number in the group is binomial with the group's share of each stratum:
    the conditional test of two Poisson rates (Przyborowski & Wilenski 1940, Biometrika 31), over strata, with sums of
    probabilities as counts. The counts are first divided by the design effect (Rao & Scott 1992, Biometrics 48): the
    variance over patients, because images of one patient are not independent, divided by the variance of as many
    independent errors.
    """
    rows = np.flatnonzero(compared)
    p, group, level = probability[rows], inside[rows], np.unique(strata[rows], return_inverse=True)[1]
    size = np.bincount(level)
    errors, share = np.bincount(level, p), np.bincount(level, group) / size
    total, observed = errors.sum(), p[group].sum()
    expected = (errors * share).sum() / total if total else 0.0  # share of all errors that should fall into the group
    if not 0 < expected < 1:
        return 1.0
    mean, lever = (errors / size)[level], group - share[level]
    by_patient = np.bincount(np.unique(patients[rows], return_inverse=True)[1], lever * (p - mean))
    independent = (np.square(lever) * p * (1 - mean)).sum()
    effect = np.square(by_patient).sum() / independent if independent else 0.0
    if not (effect > 0 and observed > 0):
        return 1.0
    return float(betainc(observed / effect, (total - observed) / effect + 1, expected))
