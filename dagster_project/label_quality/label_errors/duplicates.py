"""Copies of one image that bear different labels: at most one of the labels is right."""

from __future__ import annotations

import numpy as np


def conflicting_copies(group: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Rows of each near-duplicate group with more than one label; `group` (N,), `labels` int (N,), -1 for none."""
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    copies = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    return [same for same in copies if len(np.unique(labels[same])) > 1]


def knowing_copies(wrong: np.ndarray, labels: np.ndarray, conflicts: list[np.ndarray]) -> np.ndarray:
    """How likely each label is wrong, (N,) in 0..1, given that those of conflicting copies are not right together.

    `wrong` (N,) is how likely it is judged by itself. A label is set against the likeliest of the others.
    """
    found = wrong.copy()
    for same in conflicts:
        for row in same:
            right = 1 - wrong[row]
            rival = 1 - wrong[same[labels[same] != labels[row]]].min()
            found[row] = 1 - right * (1 - rival) / max(1 - right * rival, 1e-12)
    return found
