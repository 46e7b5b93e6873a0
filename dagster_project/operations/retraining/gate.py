"""The gate for a challenger: it must not lose on the locked test split, nor in any class."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass

import numpy as np

from dagster_project.core.atomic_io import content_hash, replacing_dir, write_card, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.champion_store import champion_hash
from dagster_project.learning.ensembling.model import Model, load_model, refuse_other_regions
from dagster_project.learning.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class ClassComparison:
    """Recall of both models in one class, and the interval of challenger minus champion."""

    region: str
    images: int
    challenger: float
    champion: float
    difference: Interval


@dataclass(frozen=True)
class Gate:
    """The gate's decision. `against`: reasons against promotion, none if passed. `champion`: '' if there was none."""

    challenger: str
    champion: str
    against: list[str]
    accuracy: float
    difference: Interval
    classes: list[ClassComparison]

    @property
    def passed(self) -> bool:
        """Whether the challenger is or becomes the champion."""
        return not self.against


def promote(root: Root) -> Gate:
    """Compare `models/ensemble/` with the champion on the test split; make it the champion if it does not lose.

    The challenger loses if its accuracy is lower, if a class of at least `min_class_images` falls by more than
    `class_tolerance` in recall, or if the 95 % interval of a class's fall excludes zero. `models/champion.json` names
    the champion by content hash; its files are under `models/champions/<hash>/`.

    Raises RayTruthError if there is no champion and the challenger is not better than always predicting the most common
    class, or if one of the models has other classes than the root.
    """
    data = load_labelled_set(root)
    challenger = load_model(root.paths.ensemble)
    refuse_other_regions(
        challenger.regions, root, where=root.paths.place(root.paths.ensemble), do="make it again: `raytruth ensemble`"
    )
    name, current = content_hash(root.paths.ensemble), champion_hash(root.paths)
    labels = data.labels[data.test]
    right = _right(root.paths, challenger, data)
    if current:
        before = _right(root.paths, load_champion(root), data)
    else:
        before = (labels == np.bincount(labels).argmax()).astype(float)
    gate = _decide(name, current, right, before, data, root.settings)
    write_json(root.paths.metrics("champion"), {**asdict(gate), "passed": gate.passed})
    if not gate.passed and not current:
        raise RayTruthError(
            f"No model can become the first champion: {'; '.join(gate.against)} (accuracy {gate.accuracy:.3f})",
            where=root.paths.place(root.paths.metrics("champion")),
            do="ingest more images or pretrain longer (`profiles` in params.yaml), then run the command again",
        )
    if gate.passed and name != current:
        with replacing_dir(root.paths.champions_dir / name) as folder:
            shutil.copytree(root.paths.ensemble, folder, dirs_exist_ok=True)
        write_card(root.paths.champion, {"model": name, "regions": challenger.regions, "accuracy": gate.accuracy})
        log.info("champion: %s (accuracy %.3f)", name[:12], gate.accuracy)
    elif not gate.passed:
        log.warning("the challenger is not promoted: %s", "; ".join(gate.against))
    return gate


def _right(paths: Paths, model: Model, data: LabelledSet) -> np.ndarray:
    """1 if the model predicts the given region of a test image, otherwise 0; (T,)."""
    images = gather_images(paths, data.table.iloc[data.test], model.image_size)
    predicted = model.predict(images).probabilities.argmax(axis=1)
    return (predicted == data.labels[data.test]).astype(float)


def _decide(
    name: str, current: str, right: np.ndarray, before: np.ndarray, data: LabelledSet, settings: Settings
) -> Gate:
    section, resamples, seed = settings.ensembling, settings.evaluation.bootstrap, settings.seed
    labels, patients = data.labels[data.test], data.patients(data.test)
    difference = patient_bootstrap(right - before, patients, resamples, seed)
    classes, against = [], []
    for k in np.unique(labels):
        own = labels == k
        change = patient_bootstrap((right - before)[own], patients[own], resamples, seed)
        classes.append(ClassComparison(data.regions[k], int(own.sum()), right[own].mean(), before[own].mean(), change))
    if not current and difference.value <= 0:
        against.append("not better than always predicting the most common class")
    if current and difference.value < 0:
        against.append(f"accuracy {right.mean():.4f} against {before.mean():.4f}")
    for c in classes if current else []:
        if c.images >= section.min_class_images and (
            c.difference.value < -section.class_tolerance or c.difference.high < 0
        ):
            against.append(f"{c.region}: recall {c.challenger:.3f} against {c.champion:.3f}")
    return Gate(name, current, against, float(right.mean()), difference, classes)
