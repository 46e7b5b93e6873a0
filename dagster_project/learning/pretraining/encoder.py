"""Pretrain one encoder of a root, and write its files."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import pandas as pd

from dagster_project.core.atomic_io import content_hash, replacing_dir, write_card
from dagster_project.core.progress import log
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.encoders.backbone import count_parameters, embedding_size, save_backbone
from dagster_project.learning.encoders.device import processes
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.encoders.files import CARD, WEIGHTS
from dagster_project.learning.encoders.trained_encoder import TrainedEncoder
from dagster_project.learning.pretraining.batching import plan_batches
from dagster_project.learning.pretraining.learned_from import learned_from
from dagster_project.learning.pretraining.methods_on import method_settings, reference_encoder
from dagster_project.learning.pretraining.plan import EncoderSummary, kept_encoder, plan_of
from dagster_project.learning.pretraining.self_training import with_pseudo_labels
from dagster_project.learning.pretraining.train import Run, checkpoint_folder, train_encoder


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
    plan = plan_of(root, name)
    data, profile, folder = plan.data, root.settings.learning, root.paths.encoder(name)
    rows, labels = data.rows, data.labels
    if kept := kept_encoder(root, plan):
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
            "kind": profile.architecture,
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


def _self_training(root: Root, run: Run, rows: pd.DataFrame) -> Run:
    """The run with pseudo-labels for images without a label, and the reference encoder's weights as the start."""
    reference = open_encoder(root, reference_encoder(root.settings))
    assert isinstance(reference, TrainedEncoder)  # methods_on ensures that it was trained here
    embeddings = reference.embed(gather_images(root.paths, rows, reference.image_size))
    labels = with_pseudo_labels(embeddings, run.labels)
    pseudo_labels = int((labels >= 0).sum() - (run.labels >= 0).sum())
    log.info("%s: labels are few; %d missing labels are replaced by pseudo-labels", run.name, pseudo_labels)
    return replace(run, labels=labels, start=reference.backbone)
