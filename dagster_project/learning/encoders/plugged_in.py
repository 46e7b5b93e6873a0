"""Encoders from elsewhere in a root: taken in after a trial on its own images, and checked before each learning run."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dagster_project.core.atomic_io import replacing_dir
from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import track
from dagster_project.intake.ingestion.batch.store import images_from_all_batches
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.embedding_cache import forget_other_encoders
from dagster_project.learning.encoders.encoder import load_encoder
from dagster_project.learning.encoders.imagenet import NAME, write_imagenet_encoder
from dagster_project.learning.encoders.onnx_encoder import OnnxEncoder
from dagster_project.learning.encoders.plugged_in_on import plugged_in_on

log = logging.getLogger("raytruth")
_TRIAL = 24  # images
_SLOWEST = 10.0  # seconds an image
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Trial:
    """An encoder on some images of the root: `seconds_per_image`, and the card as a table shows it."""

    encoder: str
    images: int
    seconds_per_image: float
    card: dict[str, object]


def add_encoder(root: Root, folder: Path) -> Trial:
    """Try the encoder in `folder` on images of the root, and copy it to `models/plugged_in/<name of the folder>`.

    Raises RayTruthError if the name is not usable or in use for another encoder, the card or the network is not usable,
    the root has no image, or the trial fails: embeddings that are not finite, that differ between two runs or depend on
    the other images, that are the same for all images, or that take more than ten seconds an image.
    """
    name = checked_name(folder.resolve().name)
    target = root.paths.encoder(f"plugged_in/{name}")
    encoder = _load(folder, root)
    if target.exists() and _load(target, root).fingerprint != encoder.fingerprint:
        raise RayTruthError(
            f"There is another encoder of the name {name}",
            where=root.paths.place(target),
            do="rename the new folder; a champion may still need the old encoder",
        )
    tried = _try(f"plugged_in/{name}", encoder, images_from_all_batches(root.paths, _TRIAL))
    with replacing_dir(target) as made:
        made.rmdir()  # `save` makes the folder
        encoder.save(made)
    if f"plugged_in/{name}" not in plugged_in_on(root.settings):
        log.warning("add %s to pretraining.plugged_in in params.yaml to use this encoder", name)
    return tried


def check_plugged_in(root: Root) -> list[Trial]:
    """Try every plugged-in encoder of params.yaml; the ImageNet encoder is made first if it is missing.

    Raises RayTruthError if an encoder is missing, not usable, or fails its trial.
    """
    root.paths.plugged_in.mkdir(parents=True, exist_ok=True)
    names, tried, fingerprints = plugged_in_on(root.settings), [], set[str]()
    images = images_from_all_batches(root.paths, _TRIAL) if names else np.empty(0)
    for name in names:
        folder = root.paths.encoder(name)
        if folder.name == NAME and not folder.exists():
            with replacing_dir(folder) as made:
                write_imagenet_encoder(made)
        encoder = _load(folder, root)
        fingerprints.add(encoder.fingerprint)
        tried.append(_try(name, encoder, images))
    forget_other_encoders(root.paths, fingerprints)
    return tried


def checked_name(name: str) -> str:
    """The name of an encoder's folder. Raises RayTruthError if it cannot become a file name everywhere."""
    if not _NAME.fullmatch(name):
        raise RayTruthError(
            "An encoder's folder must be named by up to 40 small letters, digits, '-' or '_', a letter first",
            where=name,
            do="rename the folder",
        )
    return name


def _load(folder: Path, root: Root) -> OnnxEncoder:
    if not (folder / "card.json").is_file():
        raise RayTruthError(
            "There is no encoder here: card.json is missing",
            where=folder.name,
            do="`raytruth add-encoder FOLDER` with a folder of both files (see docs/encoders.md), or take "
            "the name out of pretraining.plugged_in in params.yaml",
        )
    encoder = load_encoder(folder, root.settings.learning.device)
    if not isinstance(encoder, OnnxEncoder):
        raise RayTruthError(
            "The encoder is not of the kind onnx", where=f"{folder.name}/card.json", do="write the line `kind: onnx`"
        )
    return encoder


def _try(name: str, encoder: OnnxEncoder, images: np.ndarray) -> Trial:
    def refused(what: str) -> RayTruthError:
        return RayTruthError(
            f"The encoder {what}", where=name, do="export the network again in evaluation mode, and check its card"
        )

    started = time.monotonic()
    found = [encoder.embed_within(image[None], _SLOWEST)[0] for image in track(images, len(images), f"trial of {name}")]
    seconds = (time.monotonic() - started) / len(images)
    one_by_one, together = np.stack(found), encoder.embed(images)
    if not np.array_equal(together, encoder.embed(images)):
        raise refused("gives other embeddings in a second run")
    scale = float(np.abs(together).max())
    if np.abs(one_by_one - together).max() > 1e-3 * max(scale, 1e-12):
        raise refused("gives an image other embeddings next to other images")
    if float(together.std(axis=0).max()) <= 1e-6 * max(scale, 1e-12):
        raise refused("gives the same embedding for all images")
    return Trial(name, len(images), seconds, _card_of(encoder))


def _card_of(encoder: OnnxEncoder) -> dict[str, object]:
    """The lines of an encoder's card that people read."""
    card = encoder.facts.model_dump(exclude={"kind", "normalisation", "sha256"})
    return {"input size": card.pop("input_size"), "embedding size": card.pop("embedding_size"), **card}
