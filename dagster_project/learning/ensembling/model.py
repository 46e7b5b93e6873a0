"""A complete model in one folder: encoders, calibrated heads, weights, and the distribution of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dagster_project.core.atomic_io import read_card, write_card
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Device
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.encoder import Encoder, load_encoder
from dagster_project.learning.ensembling.calibration import calibrated
from dagster_project.learning.ensembling.concatenate_embeddings import concatenate_embeddings
from dagster_project.learning.ensembling.out_of_domain import OutOfDomain
from dagster_project.learning.evaluation.linear_head import LinearHead

_HEAD = ("mean", "scale", "weight", "bias")
_OUT_OF_DOMAIN = ("means", "whiten", "usual", "spread", "quantiles")


@dataclass(frozen=True)
class Member:
    """A probe on the concatenated embeddings of some encoders: probabilities are softmax(logits / temperature).

    `weight` is its weight in the ensemble's mean.
    """

    name: str
    encoders: tuple[str, ...]
    head: LinearHead
    temperature: float
    weight: float


@dataclass(frozen=True)
class Predictions:
    """`probabilities` (N, K), rows sum to 1; `ood_score` (N,) in 0..1, 1 = least like the classes.

    `member_agreement` (N,): total weight of the members with the same first choice as the ensemble. `embeddings` (N, D)
    are the concatenated embeddings of the member with the largest weight.
    """

    probabilities: np.ndarray
    ood_score: np.ndarray
    member_agreement: np.ndarray
    embeddings: np.ndarray


class Predictor(Protocol):
    """Anything that predicts images. `regions` names the K classes."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities' columns."""

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched by the ingestion."""


@dataclass(frozen=True)
class Model:
    """An ensemble ready to predict. `regions` names its K classes; members are ordered by falling weight.

    `encoders` holds every encoder that a member names, and `ood_encoder`, on whose embeddings `out_of_domain` was
    fitted. `ingested_size` is the side (pixels) of the ingested images.
    """

    regions: tuple[str, ...]
    encoders: dict[str, Encoder]
    members: tuple[Member, ...]
    out_of_domain: OutOfDomain
    ood_encoder: str
    ingested_size: int

    @property
    def image_size(self) -> int:
        """Side (pixels) of the images that the model reads; larger images are reduced.

        Encoders that read different sizes each reduce the ingested image, because reducing twice blurs it.
        """
        sizes = {encoder.image_size for encoder in self.encoders.values()}
        return sizes.pop() if len(sizes) == 1 else self.ingested_size

    def on(self, device: Device) -> Model:
        """The same model on another device."""
        return replace(self, encoders={name: encoder.on(device) for name, encoder in self.encoders.items()})

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched by the ingestion."""
        return self.predict_embedded({name: encoder.embed(images) for name, encoder in self.encoders.items()})

    def predict_embedded(self, by_encoder: Mapping[str, np.ndarray]) -> Predictions:
        """Predict images from their embeddings (N, D) by each of `encoders`."""
        embeddings = [concatenate_embeddings(by_encoder, m.encoders) for m in self.members]
        each = [
            calibrated(m.head.logits(x), m.temperature) for m, x in zip(self.members, embeddings, strict=True)
        ]  # members x (N, K)
        weights = np.array([m.weight for m in self.members])
        mean = np.tensordot(weights, np.stack(each), axes=1)
        agrees = np.stack([p.argmax(axis=1) for p in each]) == mean.argmax(axis=1)
        ood_score = self.out_of_domain.score(by_encoder[self.ood_encoder], mean)
        return Predictions(mean, ood_score, weights @ agrees, embeddings[0])


def save_model(folder: Path, model: Model, card: dict[str, Any]) -> None:
    """Write encoders, each in its folder, `heads.safetensors`, and `card.json`, which holds `card` and the members."""
    arrays = {f"out_of_domain.{part}": getattr(model.out_of_domain, part) for part in _OUT_OF_DOMAIN}
    for name, encoder in model.encoders.items():
        encoder.save(folder / name)
    for member in model.members:
        arrays |= {f"{member.name}.{part}": getattr(member.head, part) for part in _HEAD}
    save_file(
        {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}, folder / "heads.safetensors"
    )
    members = [
        {"name": m.name, "encoders": m.encoders, "temperature": m.temperature, "weight": m.weight}
        for m in model.members
    ]
    (device,) = {encoder.device for encoder in model.encoders.values()}
    ours = {"regions": model.regions, "device": device, "members": members, "ood_encoder": model.ood_encoder}
    write_card(folder / "card.json", {**card, **ours, "ingested_size": model.ingested_size})


def load_model(folder: Path) -> Model:
    """Read a model that `save_model` wrote. Raises RayTruthError if it is missing, incomplete or of another version."""
    try:
        card = read_card(folder / "card.json")
        arrays = load_file(folder / "heads.safetensors")
        members = tuple(
            Member(
                m["name"],
                tuple(m["encoders"]),
                LinearHead(*(arrays[f"{m['name']}.{part}"] for part in _HEAD)),
                m["temperature"],
                m["weight"],
            )
            for m in card["members"]
        )
        encoders = {
            name: load_encoder(folder / name, card["device"])
            for name in dict.fromkeys([*(name for m in members for name in m.encoders), card["ood_encoder"]])
        }
        out_of_domain = OutOfDomain(*(arrays[f"out_of_domain.{part}"] for part in _OUT_OF_DOMAIN))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise RayTruthError(
            f"The model cannot be read ({type(error).__name__})",
            where=folder.name,
            do="bring it back with `dvc checkout`, or make it again: `raytruth ensemble`",
        ) from error
    return Model(tuple(card["regions"]), encoders, members, out_of_domain, card["ood_encoder"], card["ingested_size"])


def refuse_other_regions(theirs: tuple[str, ...], root: Root, *, where: str, do: str) -> None:
    """Raise RayTruthError if a model's classes are not those of the root's regions file, in the same order."""
    ours = root.taxonomy.regions
    if theirs == ours:
        return
    more, missing = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    differences = [f"only the model has {', '.join(more)}"] if more else []
    differences += [f"the model lacks {', '.join(missing)}"] if missing else []
    raise RayTruthError(
        "The model's region classes are not those of this root: " + ("; ".join(differences) or "the order differs"),
        where=f"{where}, against {root.settings.regions}",
        do=do,
    )
