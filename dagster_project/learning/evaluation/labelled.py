"""The labelled images of each split, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, load_training_set


@dataclass(frozen=True)
class LabelledSet:
    """The training set with its labels as class numbers.

    `labels` is int64 (N,), -1 for none, in the order of `table`; `regions` names the classes. `train`, `validation` and
    `test` are the row numbers of the labelled, not excluded images of each split.
    """

    table: pd.DataFrame
    labels: np.ndarray
    regions: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def patients(self, rows: np.ndarray) -> np.ndarray:
        """Patient group (one patient, or linked patients) of each row, for resampling."""
        return self.table["patient_group"].to_numpy(object)[rows].astype(str)

    def image_ids(self, rows: np.ndarray) -> np.ndarray:
        """Image id of each row."""
        return self.table["image_id"].to_numpy(object)[rows]


def load_labelled_set(root: Root) -> LabelledSet:
    """Load the training set with class numbers.

    Raises RayTruthError if a split has no labelled image, or the training split has one class only.
    """
    table = load_training_set(root.paths)
    labels = class_numbers(root, table)
    usable = (labels >= 0) & (table["exclusion"] == "").to_numpy(bool)
    split = table["split"].to_numpy(object)
    rows = {name: np.flatnonzero(usable & (split == name)) for name in ("train", "validation", "test")}
    for name, found in rows.items():
        if len(np.unique(labels[found])) < (2 if name == "train" else 1):
            raise RayTruthError(
                f"The {name} split has too few labelled images ({len(found)})",
                where=root.paths.place(root.paths.training_set),
                do="ingest more patients; see the table of images per class and split",
            )
    regions = root.taxonomy.regions
    return LabelledSet(table, labels, regions, rows["train"], rows["validation"], rows["test"])


def draw_fraction(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Positions of a stratified random share of `labels` (N,): the rounded share of each class, at least one label."""
    generator = np.random.default_rng(seed)
    drawn = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        drawn.append(generator.permutation(members)[: max(round(fraction * len(members)), 1)])
    return np.sort(np.concatenate(drawn))
