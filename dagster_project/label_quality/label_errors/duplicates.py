"""Near-duplicates with different labels: at most one of the labels is right."""

from __future__ import annotations

import numpy as np


def conflicting_duplicates(group: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Rows of each near-duplicate group with more than one label; `group` (N,), `labels` int (N,), -1 for none."""
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    return [same for same in groups if len(np.unique(labels[same])) > 1]


def with_duplicates(wrong: np.ndarray, labels: np.ndarray, conflicts: list[np.ndarray]) -> np.ndarray:
    """The probability that each label is wrong, (N,) in 0..1, given that conflicting labels are not right together.

    `wrong` (N,) is that probability for each label by itself. A label competes with the likeliest of the other labels.
    """
    found = wrong.copy()
    for same in conflicts:
        for row in same:
            right = 1 - wrong[row]
            rival = 1 - wrong[same[labels[same] != labels[row]]].min()
            found[row] = 1 - right * (1 - rival) / max(1 - right * rival, 1e-12)
    return found
