"""One encoder of a root: which images and labels it may see, and which files are kept."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import content_hash, read_json, replacing_dir, write_card
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, gather_images, load_training_set
from dagster_project.learning.encoders.backbone import count_parameters, embedding_size, save_backbone
from dagster_project.learning.encoders.device import processes
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.encoders.resnet_encoder import CARD, WEIGHTS, ResNetEncoder
from dagster_project.learning.pretraining.batching import plan_batches
from dagster_project.learning.pretraining.learned_from import learned_from
from dagster_project.learning.pretraining.methods import CROSSFIT, Method
from dagster_project.learning.pretraining.methods_on import ALL, method_settings, reference_encoder
from dagster_project.learning.pretraining.self_training import labels_are_few, with_pseudo_labels
from dagster_project.learning.pretraining.train import SOURCE_MARGIN, Run, checkpoint_folder, train_encoder

log = logging.getLogger("raytruth")


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


def pretrain_encoder(root: Root, name: str) -> EncoderSummary:
    """Pretrain one encoder and write `models/<name>/`.

    The encoder learns from the training split. If its method sees labels, it learns from the labels of this split too,
    wrong labels included. The encoder of a fold (SupCon and a classifier) learns from all images of the other folds. It
    serves `label_errors` only: there, an encoder must not predict an image if it saw the label of this image.

    If fewer than half of the images have a label, an encoder that learns from labels starts from the reference encoder,
    which must exist, and also learns from pseudo-labels of a probe on the reference encoder (see `self_training`).

    A stopped run resumes. An encoder of the same images, labels and settings is kept. Under torchrun all processes
    train, and the first process writes.
    """
    plan = _plan(root, name)
    data, profile, folder = plan.data, root.settings.learning, root.paths.encoder(name)
    rows, labels = data.rows, data.labels
    if kept := _kept(root, name, plan):
        return kept
    labelled, epochs = int((labels >= 0).sum()), method_settings(profile, data.method.name).epochs
    log.info("%s: %d images, %d labels, %d epochs", name, len(rows), labelled, epochs)
    run = Run(name, data.method.name, epochs, plan.seed, plan.images, labels)
    if data.self_training:
        run = _self_training(root, run, rows)
    backbone, curve = train_encoder(run, profile, checkpoint_folder(root.paths.checkpoints(name), plan.made_from))
    if processes().rank > 0:
        return EncoderSummary(name, len(rows), labelled, curve)
    batches = plan_batches(profile, len(rows), processes().count)
    with replacing_dir(folder) as new:
        save_backbone(new / WEIGHTS, backbone)
        losses = pd.DataFrame({"epoch": range(1, len(curve) + 1), "loss": curve})
        losses.to_csv(new / "loss.csv", index=False, float_format="%.6f")
        card = {
            "kind": "resnet",
            "encoder": name,
            "method": data.method.name,
            "profile": root.settings.profile,
            "settings": plan.settings,
            "batch_size": batches.size,  # smaller than in the settings if there were too few images
            "micro_batch_size": batches.micro_batch_size,
            "processes": batches.processes,
            "embedding_size": embedding_size(profile),
            "parameters": count_parameters(backbone),
            "images": len(rows),
            "labels_seen": labelled,
            "pseudo_labels_seen": int((run.labels >= 0).sum()) - labelled,  # of self-training, if labels are few
            "begun_from": plan.begun_from,
            "training_set": content_hash(root.paths.training_set),
            "made_from": plan.made_from,
            "learned_from": learned_from(rows, labels),
            "weights": content_hash(new / WEIGHTS),
            "loss_first_epoch": curve[0],
            "loss_last_epoch": curve[-1],
            "code_version": version("raytruth"),
        }
        write_card(new / CARD, card)
    return EncoderSummary(name, len(rows), labelled, curve)


def kept_encoder(root: Root, name: str) -> EncoderSummary | None:
    """The summary of an encoder that `pretrain_encoder` would keep; None if it would train."""
    return _kept(root, name, _plan(root, name))


def waits_for_reference(root: Root, name: str) -> bool:
    """Whether an encoder starts from the reference encoder: if it learns from labels and labels are few."""
    return _training_data(root, name).self_training


@dataclass(frozen=True)
class _TrainingData:
    """The input of an encoder: rows of the training set, and their given labels, -1 for none or not shown."""

    method: Method
    rows: pd.DataFrame
    labels: np.ndarray

    @property
    def self_training(self) -> bool:
        return self.method.sees_labels and labels_are_few(self.labels)


@dataclass(frozen=True)
class _Plan:
    """Everything that determines an encoder's weights; `made_from` is the hash of all of it."""

    data: _TrainingData
    images: np.ndarray
    seed: int
    settings: dict[str, Any]
    begun_from: str
    made_from: str


def _plan(root: Root, name: str) -> _Plan:
    data, profile = _training_data(root, name), root.settings.learning
    seed = (root.settings.seed + zlib.crc32(name.encode())) % 2**31
    images = gather_images(root.paths, data.rows, round(profile.input_size * SOURCE_MARGIN))
    own = method_settings(profile, data.method.name).model_dump()
    settings = profile.model_dump(exclude={"methods"}) | {"method": data.method.name, **own, "seed": seed}
    reference = _reference(root)
    begun_from = content_hash(reference) if data.self_training and reference.exists() else ""
    made_from = _fingerprint(images, data.labels, settings | {"begun_from": begun_from})
    return _Plan(data, images, seed, settings, begun_from, made_from)


def _kept(root: Root, name: str, plan: _Plan) -> EncoderSummary | None:
    folder = root.paths.encoder(name)
    known = read_json(folder / CARD) if (folder / CARD).exists() else {}
    seen = learned_from(plan.data.rows, plan.data.labels)
    same = (known.get("made_from"), known.get("learned_from")) == (plan.made_from, seen)
    if not same or known["weights"] != content_hash(folder / WEIGHTS):
        return None
    log.info("%s is up to date", name)
    curve = pd.read_csv(folder / "loss.csv")["loss"].tolist()
    return EncoderSummary(name, known["images"], known["labels_seen"], curve)


def _training_data(root: Root, name: str) -> _TrainingData:
    table = load_training_set(root.paths)
    used = table["exclusion"] == ""
    encoder, _, fold = name.partition("/fold_")
    (method,) = (method for method in ALL.values() if method.encoder == encoder)
    rows = table[used & (table["fold"] != int(fold) if fold else table["split"] == "train")]
    labels = class_numbers(root, rows) if method.sees_labels else np.full(len(rows), -1)
    return _TrainingData(method, rows, labels)


def _self_training(root: Root, run: Run, rows: pd.DataFrame) -> Run:
    """The run with pseudo-labels for images without a label, and the reference encoder's weights as the start."""
    reference = open_encoder(root, reference_encoder(root.settings))
    assert isinstance(reference, ResNetEncoder)  # methods_on ensures that it was trained here
    embeddings = reference.embed(gather_images(root.paths, rows, reference.image_size))
    labels = with_pseudo_labels(embeddings, run.labels)
    pseudo_labels = int((labels >= 0).sum() - (run.labels >= 0).sum())
    log.info("%s: labels are few; %d missing labels are replaced by pseudo-labels", run.name, pseudo_labels)
    return replace(run, labels=labels, start=reference.backbone)


def _reference(root: Root) -> Path:
    return root.paths.encoder(reference_encoder(root.settings)) / WEIGHTS


def _fingerprint(images: np.ndarray, labels: np.ndarray, settings: dict[str, Any]) -> str:
    """Hash of everything that determines the weights: images, labels, settings, code version."""
    digest = hashlib.sha256(json.dumps([settings, version("raytruth")], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:16]
