"""What an encoder of a root learns from, and whether the encoder that is there was made from just this.

Without torch's slow companions (MONAI, Lightning): the process that only hands encoders to others needs none of them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import content_hash, read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import log
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, gather_images, load_training_set
from dagster_project.learning.encoders.files import CARD, WEIGHTS
from dagster_project.learning.pretraining.learned_from import learned_from
from dagster_project.learning.pretraining.methods import CROSSFIT, Method
from dagster_project.learning.pretraining.methods_on import ALL, method_settings, reference_encoder
from dagster_project.learning.pretraining.self_training import labels_are_few

SOURCE_MARGIN = 1.25  # images are held this much larger than a view, so that crops stay sharp


@dataclass(frozen=True)
class EncoderSummary:
    """One trained encoder: number of images and labels that it saw, and the loss of every epoch."""

    name: str
    images: int
    labels: int
    curve: list[float]


def encoder_names(settings: Settings, method: str) -> list[str]:
    """The encoders of a method: one, or one per fold for `crossfit`.

    Raises RayTruthError if there is no such method.
    """
    if method not in ALL:
        raise RayTruthError(f"Unknown method {method!r}", where="pretrain", do=f"choose one of {', '.join(ALL)}")
    if method == CROSSFIT.name:
        return [f"{CROSSFIT.encoder}/fold_{fold}" for fold in range(settings.training_set.folds)]
    return [ALL[method].encoder]


@dataclass(frozen=True)
class TrainingData:
    """The input of an encoder: rows of the training set, and their given labels, -1 for none or not shown."""

    method: Method
    rows: pd.DataFrame
    labels: np.ndarray

    @property
    def self_training(self) -> bool:
        """Whether pseudo-labels replace missing labels."""
        return self.method.sees_labels and labels_are_few(self.labels)


@dataclass(frozen=True)
class Plan:
    """Everything that determines an encoder's weights; `made_from` is the hash of all of it."""

    name: str
    data: TrainingData
    images: np.ndarray
    seed: int
    settings: dict[str, Any]
    begun_from: str
    made_from: str


def plan_of(root: Root, name: str) -> Plan:
    """The plan of the encoder `name`. Raises RayTruthError if the training set or a setting does not allow it."""
    data, profile = _training_data(root, name), root.settings.learning
    seed = (root.settings.seed + zlib.crc32(name.encode())) % 2**31
    images = gather_images(root.paths, data.rows, round(profile.input_size * SOURCE_MARGIN))
    own = method_settings(profile, data.method.name).model_dump()
    settings = profile.model_dump(exclude={"methods"}) | {"method": data.method.name, **own, "seed": seed}
    reference = _reference(root)
    begun_from = content_hash(reference) if data.self_training and reference.exists() else ""
    made_from = _fingerprint(images, data.labels, settings | {"begun_from": begun_from})
    return Plan(name, data, images, seed, settings, begun_from, made_from)


def waits_for_reference(root: Root, name: str) -> bool:
    """Whether an encoder starts from the reference encoder: if it learns from labels and labels are few."""
    return _training_data(root, name).self_training


def kept_encoder(root: Root, plan: Plan) -> EncoderSummary | None:
    """The summary of the encoder in `models/<name>/` if it was made as planned; otherwise None."""
    folder = root.paths.encoder(plan.name)
    known = read_json(folder / CARD) if (folder / CARD).exists() else {}
    seen = learned_from(plan.data.rows, plan.data.labels)
    same = (known.get("made_from"), known.get("learned_from")) == (plan.made_from, seen)
    if not same or known["weights"] != content_hash(folder / WEIGHTS):
        return None
    log.info("%s is up to date", plan.name)
    curve = pd.read_csv(folder / "loss.csv")["loss"].tolist()
    return EncoderSummary(plan.name, known["images"], known["labels_seen"], curve)


def _training_data(root: Root, name: str) -> TrainingData:
    table = load_training_set(root.paths)
    used = table["exclusion"] == ""
    encoder, _, fold = name.partition("/fold_")
    (method,) = (method for method in ALL.values() if method.encoder == encoder)
    rows = table[used & (table["fold"] != int(fold) if fold else table["split"] == "train")]
    labels = class_numbers(root, rows) if method.sees_labels else np.full(len(rows), -1)
    return TrainingData(method, rows, labels)


def _reference(root: Root) -> Path:
    return root.paths.encoder(reference_encoder(root.settings)) / WEIGHTS


def _fingerprint(images: np.ndarray, labels: np.ndarray, settings: dict[str, Any]) -> str:
    """Hash of everything that determines the weights: images, labels, settings, code version."""
    digest = hashlib.sha256(json.dumps([settings, version("raytruth")], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:16]
