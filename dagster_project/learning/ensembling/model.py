"""A model complete in one folder: encoders, calibrated heads, weights, and what usual images look like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Device
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.encoder import Encoder, load_encoder
from dagster_project.learning.ensembling.calibration import calibrated
from dagster_project.learning.ensembling.concatenate_embeddings import side_by_side
from dagster_project.learning.ensembling.mahalanobis import Usual
from dagster_project.learning.evaluation.linear_head import LinearHead

_HEAD = ("mean", "scale", "weight", "bias")
_USUAL = ("means", "whiten", "quantiles")


@dataclass(frozen=True)
class Member:
    """A probe on what `side_by_side` makes of some encoders: probabilities are softmax(logits / temperature).

    `share` is its part of the mean.
    """

    name: str
    encoders: tuple[str, ...]
    head: LinearHead
    temperature: float
    share: float


@dataclass(frozen=True)
class Predictions:
    """`probabilities` (N, K), rows sum to 1; `ood_score` (N,) in 0..1, 1 = least like the training images.

    `agreement` (N,): share of members, by weight, whose own first choice is the ensemble's. `embeddings` (N, D) are of
    the member with the largest share, as `side_by_side` makes them.
    """

    probabilities: np.ndarray
    ood_score: np.ndarray
    agreement: np.ndarray
    embeddings: np.ndarray


class Predictor(Protocol):
    """What predicts images, whatever runs it. `regions` names its K classes."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities' columns."""

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched as the ingestion leaves them."""


@dataclass(frozen=True)
class Model:
    """An ensemble ready to predict. `regions` names its K classes; members stand in order of falling share.

    `encoders` holds every encoder that a member names.
    """

    regions: tuple[str, ...]
    encoders: dict[str, Encoder]
    members: tuple[Member, ...]
    usual: Usual

    @property
    def image_size(self) -> int:
        """Side (pixels) of the images that it reads; larger ones are reduced."""
        return max(encoder.image_size for encoder in self.encoders.values())

    def on(self, device: Device) -> Model:
        """The same model on another device."""
        return replace(self, encoders={name: encoder.on(device) for name, encoder in self.encoders.items()})

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched as the ingestion leaves them."""
        by_encoder = {name: encoder.embed(images) for name, encoder in self.encoders.items()}
        embeddings = [side_by_side(by_encoder, m.encoders) for m in self.members]
        each = [
            calibrated(m.head.logits(x), m.temperature) for m, x in zip(self.members, embeddings, strict=True)
        ]  # members x (N, K)
        shares = np.array([m.share for m in self.members])
        mean = np.tensordot(shares, np.stack(each), axes=1)
        agrees = np.stack([p.argmax(axis=1) for p in each]) == mean.argmax(axis=1)
        return Predictions(mean, self.usual.unusualness(embeddings[0]), shares @ agrees, embeddings[0])


def save_model(folder: Path, model: Model, card: dict[str, Any]) -> None:
    """Write encoders, each in its folder, `heads.safetensors`, and `card.json`, which holds `card` and the members."""
    arrays = {f"usual.{part}": getattr(model.usual, part) for part in _USUAL}
    for name, encoder in model.encoders.items():
        encoder.save(folder / name)
    for member in model.members:
        arrays |= {f"{member.name}.{part}": getattr(member.head, part) for part in _HEAD}
    save_file(
        {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}, folder / "heads.safetensors"
    )
    members = [
        {"name": m.name, "encoders": m.encoders, "temperature": m.temperature, "share": m.share} for m in model.members
    ]
    (device,) = {encoder.device for encoder in model.encoders.values()}
    write_json(folder / "card.json", {**card, "regions": model.regions, "device": device, "members": members})


def load_model(folder: Path) -> Model:
    """Read a model that `save_model` wrote. Raises RayTruthError if it is not there or not complete."""
    try:
        card = read_json(folder / "card.json")
        arrays = load_file(folder / "heads.safetensors")
        members = tuple(
            Member(
                m["name"],
                tuple(m["encoders"]),
                LinearHead(*(arrays[f"{m['name']}.{part}"] for part in _HEAD)),
                m["temperature"],
                m["share"],
            )
            for m in card["members"]
        )
        encoders = {
            name: load_encoder(folder / name, card["device"])
            for name in dict.fromkeys(name for m in members for name in m.encoders)
        }
        usual = Usual(*(arrays[f"usual.{part}"] for part in _USUAL))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise RayTruthError(
            f"The model cannot be read ({type(error).__name__})",
            where=f"models/{folder.name}",
            do="bring it back with `dvc checkout`, or make it anew: `raytruth ensemble`",
        ) from error
    return Model(tuple(card["regions"]), encoders, members, usual)


def refuse_other_regions(theirs: tuple[str, ...], root: Root, *, where: str, do: str) -> None:
    """Raise RayTruthError if a model's classes are not those of the root's regions file, in the same order."""
    ours = root.taxonomy.regions
    if theirs == ours:
        return
    more, missing = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    differences = [f"only the model has {', '.join(more)}"] if more else []
    differences += [f"it lacks {', '.join(missing)}"] if missing else []
    raise RayTruthError(
        "The model's region classes are not those of this root: "
        + ("; ".join(differences) or "they stand in another order"),
        where=f"{where}, against {root.settings.regions}",
        do=do,
    )
