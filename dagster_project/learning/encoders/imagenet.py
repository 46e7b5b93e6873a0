"""The plug-in encoder that comes with RayTruth: EfficientNet-Lite0 with ImageNet weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from dagster_project.core.atomic_io import write_card
from dagster_project.learning.encoders.efficientnet import EMBEDDING_SIZE, LICENCE, WEIGHTS_FROM, imagenet_network
from dagster_project.learning.encoders.onnx_encoder import CARD, NETWORK
from dagster_project.learning.encoders.onnx_export import to_onnx

NAME = "imagenet"
_SIDE = 192  # px
_GREY = {"mean": [127 / 255] * 3, "std": [128 / 255] * 3}  # as in its training


def write_imagenet_encoder(folder: Path) -> None:
    """Write network and card to an existing folder."""
    exported = to_onnx(_Pooled(imagenet_network()).eval(), {"images": torch.zeros(2, 3, _SIDE, _SIDE)}, ["embeddings"])
    written = exported.SerializeToString(deterministic=True)
    (folder / NETWORK).write_bytes(written)
    card = {
        "kind": "onnx",
        "input_size": _SIDE,
        "channels": 3,
        "normalisation": _GREY,
        "embedding_size": EMBEDDING_SIZE,
        "licence": LICENCE,
        "source": WEIGHTS_FROM,
        "sha256": hashlib.sha256(written).hexdigest(),
        "trained_on": "ImageNet-1k, 1.28 million photographs in 1,000 classes",
    }
    write_card(folder / CARD, card)


class _Pooled(nn.Module):
    """The network without its classifier: the mean of its last features over the image."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.network.extract_features(images)  # type: ignore[operator]
        return features.mean(dim=(2, 3))
