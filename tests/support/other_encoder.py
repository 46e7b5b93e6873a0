"""An encoder that was not trained here: a fixed projection of a small image. Of a kind of its own, `projection`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.core.atomic_io import content_hash, write_array, write_json
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.encoder import Encoder
from dagster_project.learning.encoders.onnx_export import to_onnx

SIDE, SIZE = 16, 24


@dataclass(frozen=True)
class ProjectionEncoder:
    weight: np.ndarray
    card: dict[str, Any]
    device: str = "cpu"

    about = "a fixed projection"
    image_size = SIDE
    embedding_size = SIZE

    @property
    def fingerprint(self) -> str:
        return self.card["weights"]

    def embed(self, images: np.ndarray) -> np.ndarray:
        return _Projection(self.weight)(torch.from_numpy(reduced(images, SIDE))).numpy()

    def on(self, device: str) -> Encoder:
        return ProjectionEncoder(self.weight, self.card, device)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_array(folder / "weight.npy", self.weight)
        write_json(folder / "card.json", self.card | {"weights": content_hash(folder / "weight.npy")})

    def to_onnx(self) -> onnx.ModelProto:
        example = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
        return to_onnx(_Projection(self.weight), {"images": example}, ["embeddings"], free_axes={"images": (1, 2)})


class _Projection(nn.Module):
    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.weight = nn.Buffer(torch.from_numpy(weight))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.interpolate(images[:, None].float() / 255, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return torch.relu(x.flatten(1) @ self.weight)


def made(folder: Path, labels_seen: int = 0) -> None:
    """Write such an encoder."""
    weight = np.random.default_rng(0).normal(size=(SIDE * SIDE, SIZE)).astype(np.float32)
    ProjectionEncoder(weight, {"kind": "projection", "labels_seen": labels_seen}).save(folder)


def load(folder: Path, card: dict[str, Any], device: str) -> Encoder:
    return ProjectionEncoder(np.load(folder / "weight.npy"), card, device)
