"""Attribute probes: how much an embedding reveals about scanner, room and source, beyond the region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold

ATTRIBUTES = ("manufacturer", "station", "batch", "modality", "photometric_interpretation")
_FOLDS = 5
_MOST_DIRECTIONS = 128  # principal components that the probe uses
_PENALTY = 10.0
_PERMUTATIONS = 20


@dataclass(frozen=True)
class AttributeProbe:
    """How well a linear probe predicts an attribute from the embedding: balanced accuracy in 0..1, patients held out.

    `chance` is the balanced accuracy of a constant prediction, 1 / `values`. `permuted` and `permuted_high` are the
    mean and maximum over probes of values permuted among images of one region. The region alone does not explain a
    balanced accuracy above them. `note` says why there is no figure.
    """

    attribute: str
    values: int
    images: int
    balanced_accuracy: float | None = None
    chance: float | None = None
    permuted: float | None = None
    permuted_high: float | None = None
    note: str = ""


def probe_attributes(
    embeddings: np.ndarray, table: pd.DataFrame, regions: np.ndarray, seed: int
) -> list[AttributeProbe]:
    """Probe embeddings (N, D) for every attribute of `table` (N rows: ATTRIBUTES and `patient_group`).

    `regions` (N,) are class numbers; values are permuted within a class.
    """
    directions = min(_MOST_DIRECTIONS, *embeddings.shape)
    seen = PCA(directions, random_state=0).fit_transform(embeddings.astype(np.float64))
    seen /= seen.std()
    groups = table["patient_group"].to_numpy(object).astype(str)
    return [_probe_attribute(seen, name, table[name].to_numpy(object), groups, regions, seed) for name in ATTRIBUTES]


def _probe_attribute(
    x: np.ndarray, attribute: str, values: np.ndarray, groups: np.ndarray, regions: np.ndarray, seed: int
) -> AttributeProbe:
    frame = pd.DataFrame({"value": values, "patient_group": groups})
    frame = frame[frame["value"].notna() & (frame["value"] != "")]
    patients = frame.groupby("value")["patient_group"].nunique()
    frame = frame[frame["value"].isin(patients.index[patients >= _FOLDS])]
    rows, kinds = frame.index.to_numpy(), frame["value"].nunique()
    if kinds < 2:
        return AttributeProbe(attribute, kinds, len(rows), note=f"fewer than two values with {_FOLDS} patients each")
    y = pd.Categorical(frame["value"]).codes.astype(np.int64)
    splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(x[rows], y, frame["patient_group"]))
    rng = np.random.default_rng(seed)
    permuted = [_balanced_accuracy(x[rows], _permuted(y, regions[rows], rng), folds) for _ in range(_PERMUTATIONS)]
    found = _balanced_accuracy(x[rows], y, folds)
    return AttributeProbe(attribute, kinds, len(rows), found, 1 / kinds, float(np.mean(permuted)), max(permuted))


def _balanced_accuracy(x: np.ndarray, y: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Balanced accuracy of a linear probe; each fold is predicted by a probe that did not see it."""
    predicted = np.empty_like(y)
    for train, held_out in folds:
        probe = RidgeClassifier(_PENALTY, class_weight="balanced")
        same = len(np.unique(y[train])) == 1
        predicted[held_out] = y[train][0] if same else probe.fit(x[train], y[train]).predict(x[held_out])
    return float(balanced_accuracy_score(y, predicted))


def _permuted(y: np.ndarray, regions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    found = y.copy()
    for region in np.unique(regions):
        rows = np.flatnonzero(regions == region)
        found[rows] = y[rng.permutation(rows)]
    return found
