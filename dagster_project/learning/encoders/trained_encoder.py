"""Encoders that were pretrained here: a network, applied to two sizes of an image and their mirror images."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from dagster_project.core.atomic_io import content_hash, write_card
from dagster_project.core.errors import RayTruthError
from dagster_project.core.schema import KEY, check_schema
from dagster_project.core.settings.settings import Device, NetworkSettings
from dagster_project.learning.encoders.backbone import (
    as_input,
    count_parameters,
    embedding_size,
    load_backbone,
    save_backbone,
)
from dagster_project.learning.encoders.efficientnet import LICENCE, WEIGHTS_FROM
from dagster_project.learning.encoders.embed import embed
from dagster_project.learning.encoders.files import CARD, WEIGHTS
from dagster_project.learning.encoders.onnx_export import to_onnx
from dagster_project.learning.encoders.test_time_augmentation import embed_views, larger_view_size

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class TrainedEncoder:
    """An `Encoder` that was pretrained here. An embedding is the mean over two sizes of an image, each also mirrored.

    `backbone` is in evaluation mode; `fingerprint` is the SHA-256 of its file.
    """

    backbone: nn.Module
    network: NetworkSettings
    card: dict[str, Any]
    fingerprint: str

    @property
    def about(self) -> str:
        """A short description of the network, with the licence of weights from elsewhere that it began with."""
        net, parameters = self.network, f"({count_parameters(self.backbone):,} parameters)"
        if net.architecture == "efficientnet_lite0":
            begun = f"; trained here from ImageNet weights ({WEIGHTS_FROM}; licence: {LICENCE})"
            return f"EfficientNet-Lite0 {parameters}{begun if self.card['settings'].get('initial_weights') else ''}"
        stages = f"{net.block} blocks {list(net.blocks)} with {net.width} channels in the first stage"
        return f"a ResNet of {stages} {parameters}"

    @property
    def image_size(self) -> int:
        """Side (pixels) of the larger of the two sizes."""
        return larger_view_size(self.network)

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return embedding_size(self.network)

    @property
    def device(self) -> Device:
        """The device that computes."""
        return self.network.device

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings float32 (N, D) of uint8 (N, s, s)."""
        return embed(self.backbone, images, self.network)

    def on(self, device: Device) -> TrainedEncoder:
        """The same encoder on another device."""
        return replace(self, network=self.network.model_copy(update={"device": device}))

    def save(self, folder: Path) -> None:
        """Write weights and card to a new folder."""
        folder.mkdir(parents=True)
        save_backbone(folder / WEIGHTS, self.backbone)
        write_card(folder / CARD, self.card)

    def to_onnx(self) -> onnx.ModelProto:
        """`images` uint8 (N, s, s) to `embeddings` float32 (N, D), any N and s."""
        network = _Embedding(copy.deepcopy(self.backbone).cpu(), self.network).eval()
        example = torch.zeros(2, self.image_size, self.image_size, dtype=torch.uint8)
        return to_onnx(network, {"images": example}, ["embeddings"], free_axes={"images": (0, 1, 2)})


class _Embedding(nn.Module):
    def __init__(self, backbone: nn.Module, network: NetworkSettings) -> None:
        super().__init__()
        self.backbone, self.network = backbone, network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return embed_views(self.backbone, as_input(images), self.network)


def load_trained_encoder(folder: Path, card: dict[str, Any], device: Device) -> TrainedEncoder:
    """Read an encoder's weights, with the network that the card describes.

    Raises RayTruthError if the weights are missing or cannot be read, if the card does not describe the network, or if
    another version of RayTruth wrote it.
    """
    check_schema(card.get(KEY), folder / CARD)
    try:
        described = {"architecture": "resnet"} | card["settings"]  # older cards know no other architecture
        network = NetworkSettings.model_validate(
            {name: described[name] for name in NetworkSettings.model_fields} | {"device": device}
        )
    except (KeyError, TypeError, ValidationError):
        raise RayTruthError(
            "The encoder's card does not describe the network, or comes from another version",
            where=f"{folder.name}/{CARD}",
            do="bring it back with `dvc checkout`, or pretrain it again",
        ) from None
    backbone = load_backbone(folder / WEIGHTS, network)
    return TrainedEncoder(backbone, network, card, content_hash(folder / WEIGHTS))


def check_network(encoder: object, network: NetworkSettings, name: str) -> None:
    """Raise RayTruthError if the encoder `name` was trained here with another network."""
    if not isinstance(encoder, TrainedEncoder) or encoder.network != network:
        raise RayTruthError(
            "The encoder's network has another size than the profile's network",
            where=name,
            do="pretrain it again, or go back to the params.yaml it was trained with",
        )
