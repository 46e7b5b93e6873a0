"""The encoders of a root: which pictures and labels each may see, and what is kept of it."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.errors import RayTruthError
from dagster_project.files import content_hash, read_json, replacing_dir, write_json
from dagster_project.layout import CROSSFIT, Layout
from dagster_project.params import Params
from dagster_project.pretraining.backbone import count_parameters, embedding_size, save_backbone
from dagster_project.pretraining.batches import deal
from dagster_project.pretraining.device import processes
from dagster_project.pretraining.train import METHODS, SOURCE_MARGIN, Run, checkpoint_folder, train_encoder
from dagster_project.training_set.build import class_numbers, gather_pictures, load_training_set

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class EncoderSummary:
    """What was trained: pictures seen, how many of their labels, and the loss of every epoch."""

    name: str
    pictures: int
    labels: int
    curve: list[float]


def pretrain(layout: Layout, params: Params, method: str) -> EncoderSummary:
    """Pretrain `encoder_<method>` on the training split and write `models/encoder_<method>/`.

    `simclr` and `byol` see no label; `supcon` sees those of the training split, wrong ones too. A stopped run resumes;
    an encoder that is of these very pictures, labels and settings is kept. Under torchrun all processes train, and the
    first one writes.
    """
    if method not in METHODS:
        raise RayTruthError(
            f"Unknown method {method!r}", where="pretrain", do=f"choose one of {', '.join((*METHODS, 'crossfit'))}"
        )
    table = load_training_set(layout)
    rows = table[(table["split"] == "train") & (table["excluded"] == "")]
    labels = class_numbers(layout, params, rows) if method == "supcon" else np.full(len(rows), -1)
    epochs = getattr(params.learning, method).epochs
    return _train(layout, params, f"encoder_{method}", method, epochs, rows, labels)


def pretrain_crossfit(layout: Layout, params: Params) -> list[EncoderSummary]:
    """Pretrain one SupCon encoder a fold, on all pictures of the other folds, for `label_errors` alone.

    An encoder trained with labels may judge only pictures whose labels it never saw: those of its own fold.
    """
    table = load_training_set(layout)
    summaries = []
    for fold in range(params.training_set.folds):
        rows = table[(table["fold"] != fold) & (table["excluded"] == "")]
        labels = class_numbers(layout, params, rows)
        epochs = params.learning.crossfit_epochs
        summaries.append(_train(layout, params, f"{CROSSFIT}/fold_{fold}", "supcon", epochs, rows, labels))
    for other in layout.encoder(CROSSFIT).glob("fold_*"):
        if int(other.name.removeprefix("fold_")) >= params.training_set.folds and processes().rank == 0:
            shutil.rmtree(other)
    return summaries


def _train(
    layout: Layout, params: Params, name: str, method: str, epochs: int, rows: pd.DataFrame, labels: np.ndarray
) -> EncoderSummary:
    profile, folder = params.learning, layout.encoder(name)
    seed = (params.seed + zlib.crc32(name.encode())) % 2**31
    pictures = gather_pictures(layout, rows, round(profile.px * SOURCE_MARGIN))
    settings = profile.model_dump(exclude={*METHODS, "crossfit_epochs"} - {method}) | {"epochs": epochs, "seed": seed}
    made_from = _fingerprint(pictures, labels, settings)
    known = read_json(folder / "card.json") if (folder / "card.json").exists() else {}
    seen = learned_from(rows, labels)
    same = (known.get("made_from"), known.get("learned_from")) == (made_from, seen)
    if same and known["weights"] == content_hash(folder / "weights.safetensors"):
        log.info("%s is up to date", name)
        curve = pd.read_csv(folder / "loss.csv")["loss"].tolist()
        return EncoderSummary(name, known["pictures"], known["labels_seen"], curve)
    labelled = int((labels >= 0).sum())
    log.info("%s: %d pictures, %d labels, %d epochs", name, len(rows), labelled, epochs)
    checkpoints = checkpoint_folder(layout.checkpoints(name), made_from)
    backbone, curve = train_encoder(Run(name, method, epochs, seed, pictures, labels), profile, checkpoints)
    if processes().rank > 0:
        return EncoderSummary(name, len(rows), labelled, curve)
    batches = deal(profile, len(rows), processes().count)
    with replacing_dir(folder) as new:
        save_backbone(new / "weights.safetensors", backbone)
        losses = pd.DataFrame({"epoch": range(1, len(curve) + 1), "loss": curve})
        losses.to_csv(new / "loss.csv", index=False, float_format="%.6f")
        card = {
            "encoder": name,
            "method": method,
            "profile": params.profile,
            "settings": settings,
            "batch": batches.size,  # fewer than the settings ask for where there were too few pictures
            "chunk": batches.chunk,
            "processes": batches.processes,
            "embedding_size": embedding_size(profile),
            "parameters": count_parameters(backbone),
            "pictures": len(rows),
            "labels_seen": labelled,
            "training_set": content_hash(layout.training_set),
            "made_from": made_from,
            "learned_from": seen,
            "weights": content_hash(new / "weights.safetensors"),
            "loss_first_epoch": curve[0],
            "loss_last_epoch": curve[-1],
            "code_version": version("raytruth"),
        }
        write_json(new / "card.json", card)
    return EncoderSummary(name, len(rows), labelled, curve)


def learned_from(rows: pd.DataFrame, labels: np.ndarray) -> str:
    """Hash of the pictures and labels that an encoder saw, as its card names it; from the training set's rows alone."""
    digest = hashlib.sha256("\n".join(rows["picture_hash"]).encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:16]


def _fingerprint(pictures: np.ndarray, labels: np.ndarray, settings: dict[str, Any]) -> str:
    """Hash of all that decides the weights: pictures, labels, settings, the code's version."""
    digest = hashlib.sha256(json.dumps([settings, version("raytruth")], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(pictures).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()[:16]
