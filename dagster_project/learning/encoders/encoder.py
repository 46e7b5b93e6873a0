"""The interface of an encoder, wherever its weights come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Device
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.onnx_encoder import load_onnx_encoder

if TYPE_CHECKING:
    import onnx


class Encoder(Protocol):
    """Turns images into embeddings. One folder holds the whole encoder; its `card.json` names the `kind`."""

    @property
    def card(self) -> dict[str, Any]:
        """Facts about the encoder: `kind`, `labels_seen` (how many labels it learned from), and more for each kind."""

    @property
    def about(self) -> str:
        """A short description of the network, for a model card."""

    @property
    def image_size(self) -> int:
        """Side (pixels) of the images that the encoder reads; larger images are reduced by area averaging."""

    @property
    def embedding_size(self) -> int:
        """Length D of an embedding."""

    @property
    def device(self) -> Device:
        """The device that computes."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights: the same fingerprint gives the same embeddings."""

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings float32 (N, D) of uint8 (N, s, s), letterboxed and stretched by the ingestion."""

    def on(self, device: Device) -> Encoder:
        """The same encoder on another device."""

    def save(self, folder: Path) -> None:
        """Write the whole encoder to a new folder."""

    def to_onnx(self) -> onnx.ModelProto:
        """`images` uint8 (N, s, s) to `embeddings` float32 (N, D), any N and s, best with s = `image_size`."""


def _load_trained(folder: Path, card: dict[str, Any], device: Device) -> Encoder:
    from dagster_project.learning.encoders.trained_encoder import load_trained_encoder  # here: torch takes seconds

    return load_trained_encoder(folder, card, device)


_TRAINED_HERE = ("resnet", "efficientnet_lite0")
KINDS: dict[str, Callable[[Path, dict[str, Any], Device], Encoder]] = {
    **dict.fromkeys(_TRAINED_HERE, _load_trained),
    "onnx": load_onnx_encoder,
}


def load_encoder(folder: Path, device: Device) -> Encoder:
    """Read an encoder's folder.

    Raises RayTruthError if there is no encoder, it cannot be read, or this version does not know its kind.
    """
    if not (folder / "card.json").exists():
        raise RayTruthError(
            "This encoder has not been pretrained", where=folder.name, do="run `raytruth pretrain METHOD`"
        )
    try:
        card = read_json(folder / "card.json")
        load = KINDS[card["kind"]]
    except (ValueError, KeyError, TypeError):
        raise RayTruthError(
            "The encoder's card cannot be read, or comes from another version",
            where=f"{folder.name}/card.json",
            do="bring it back with `dvc checkout`, or pretrain it again",
        ) from None
    return load(folder, card, device)


def open_encoder(root: Root, name: str) -> Encoder:
    """An encoder of a root, on the device of the profile in use.

    Raises RayTruthError like `load_encoder`, or if it was trained here with another network than the profile's.
    """
    profile = root.settings.learning
    encoder = load_encoder(root.paths.encoder(name), profile.device)
    if encoder.card["kind"] in _TRAINED_HERE:
        from dagster_project.learning.encoders.trained_encoder import check_network

        check_network(encoder, profile.network, name)
    return encoder
