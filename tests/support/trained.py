"""A root on which everything was learned from drawn patterns, with errors planted among the labels; made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.label_quality.label_errors.find import find_label_errors
from dagster_project.learning.ensembling.ensemble import build_ensemble
from dagster_project.learning.evaluation.linear_evaluation import evaluate
from dagster_project.learning.pretraining.pretrain import pretrain
from dagster_project.operations.retraining.gate import promote
from support.archive import REGIONS, patients_of, put_batch, write_regions
from support.encoders import ON
from support.roots import settings_of, small_root

MadeOnce = Callable[[str, Callable[[Path], object]], Path]
PER_CLASS, CLOUDS = 16, len(REGIONS)
FLIPS, COPIES, MISSING = range(10), range(20, 22), range(30, 34)  # patients, by number
FIRST, EPOCHS = "first", 16


@dataclass(frozen=True)
class Trained:
    """The root, its settings, and what was planted: one row an image with truth and `planted`."""

    paths: Paths
    settings: Settings
    truth: pd.DataFrame

    def open(self) -> Root:
        """The root as the stages take it."""
        return Root(self.paths, self.settings)

    def copied_to(self, folder: Path) -> Trained:
        """A copy that may be changed."""
        shutil.copytree(self.paths.root, folder, symlinks=True)
        return Trained(Paths(folder), self.settings, self.truth)


def trained_root(made_once: MadeOnce) -> Trained:
    """All stages from the training set to the label errors on 84 patients. Not to be changed: copy it first."""
    paths = Paths(made_once("trained", _make))
    return Trained(paths, settings_of(paths), read_table(paths.private / "truth.parquet"))


def _make(folder: Path) -> None:
    changes = {f"profiles__quick__methods__{method}__epochs": EPOCHS for method in (*ON, "crossfit")}
    changes |= {"monitoring__min_images": 30}
    paths = small_root(folder, write_regions(folder.with_suffix(".yaml")), **changes)
    rows, images = planted(seed=1)
    write_table(paths.private / "truth.parquet", rows)
    put_batch(paths, FIRST, rows, images)
    learn(Root(paths, settings_of(paths)))


def learn(root: Root) -> None:
    """Every stage from the training set to the label errors."""
    build_training_set(root)
    pretrain(root, *ON, "crossfit")
    evaluate(root)
    build_ensemble(root)
    promote(root)
    find_label_errors(root)


def planted(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Patients of every class and four of none, with wrong labels, missing ones and copies that bear another label."""
    kinds = [kind for _ in range(PER_CLASS) for kind in range(len(REGIONS))] + [CLOUDS] * 4
    rows, images = patients_of(kinds, seed)
    number = rows["patient"].str[-3:].astype(int)
    first = ~rows["patient"].duplicated()
    rows["planted"] = ""
    rows.loc[number.isin(FLIPS) & first, "planted"] = "flip"
    rows.loc[number.isin(COPIES), "planted"] = "copy"
    rows.loc[number.isin(MISSING) & first, "planted"] = "missing"
    rows.loc[rows["truth"].isna(), "planted"] = "cloud"
    place = pd.Categorical(rows["truth"], categories=REGIONS).codes
    others = np.array(REGIONS, dtype=object)[(place + 2) % len(REGIONS)]
    wrong = rows["planted"].isin(["flip", "cloud"]) | (rows["planted"] == "copy") & ~first
    rows.loc[wrong, "header_region"] = others[wrong]
    rows.loc[rows["planted"] == "missing", "header_region"] = None
    for row in np.flatnonzero((rows["planted"] == "copy") & ~first):
        images[row] = (0.9 * images[row - 1].astype(float) + 10).astype(np.uint8)
    return rows, images
