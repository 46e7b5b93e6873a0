"""The whole model as one ONNX file: written from torch, and read back to predict with onnxruntime."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.capi import onnxruntime_pybind11_state as refusals
from torch import nn
from torch.nn import functional as F

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.backbone import as_input
from dagster_project.learning.encoders.test_time_augmentation import embed_views, viewed_px
from dagster_project.learning.ensembling.model import Member, Model, Predictions

OUTPUTS = ("probabilities", "unusual", "agreement", "embeddings")  # the fields of Predictions, in their order
_OPSET = 17
_BATCH = 256
_CARD = "raytruth"
_REFUSED = (
    *(refusals.InvalidProtobuf, refusals.InvalidGraph, refusals.InvalidArgument, refusals.NotImplemented),
    *(refusals.Fail, refusals.RuntimeException),
)


@dataclass(frozen=True)
class OnnxModel:
    """A model read from an ONNX file. `px` is the side of the images that it takes."""

    regions: tuple[str, ...]
    px: int
    session: onnxruntime.InferenceSession

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched as the ingestion leaves them."""
        found = []
        for start in range(0, len(images), _BATCH):
            small = reduced(images[start : start + _BATCH], self.px)
            found.append(self.session.run(list(OUTPUTS), {"images": small}))
        return Predictions(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def write_onnx(path: Path, model: Model, card: Mapping[str, Any]) -> None:
    """Write the model as ONNX: `images` uint8 (N, s, s) to OUTPUTS, any N and s. `card` goes along as JSON.

    In the file are the backbones, averaged over two sizes and mirror images, each member's probe and temperature, the
    mixture of their shares, and the unusualness; to predict takes nothing else but images reduced to the card's `px`.
    """
    network = _Network(model).eval()
    px = viewed_px(model.profile)
    example = torch.zeros(2, px, px, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this exporter old; the new one needs two more packages
        torch.onnx.export(
            network,
            (example,),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=["images"],
            output_names=list(OUTPUTS),
            dynamic_axes={"images": {0: "n", 1: "px", 2: "px"}} | {name: {0: "n"} for name in OUTPUTS},
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(
        written, {_CARD: json.dumps({**card, "regions": model.regions, "px": px}, sort_keys=True)}
    )
    onnx.checker.check_model(written)
    onnx.save(written, path)


def load_onnx_model(path: Path) -> OnnxModel:
    """Read a model that `write_onnx` wrote. Raises RayTruthError if the file is missing, broken, or another's."""
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        card = json.loads(session.get_modelmeta().custom_metadata_map[_CARD])
    except (OSError, KeyError, ValueError, *_REFUSED) as error:
        raise RayTruthError(
            f"The ONNX model cannot be read ({type(error).__name__})",
            where="--model",
            do="give the model.onnx that `raytruth export` wrote",
        ) from error
    return OnnxModel(tuple(card["regions"]), int(card["px"]), session)


class _Network(nn.Module):
    """`Model.predict` as one network, (N, px, px) uint8 to OUTPUTS, on the CPU."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.backbones = nn.ModuleDict({name: copy.deepcopy(b).cpu() for name, b in model.backbones.items()})
        self.members = nn.ModuleList(_Head(member) for member in model.members)
        self.profile = model.profile
        self.shares = nn.Buffer(torch.tensor([m.share for m in model.members]))
        self.centres = nn.Buffer(torch.from_numpy(model.usual.means @ model.usual.whiten))
        self.whiten = nn.Buffer(torch.from_numpy(model.usual.whiten))
        self.quantiles = nn.Buffer(torch.from_numpy(model.usual.quantiles))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = as_input(images)
        by_encoder = {name: embed_views(backbone, x, self.profile) for name, backbone in self.backbones.items()}
        pairs = [member(by_encoder) for member in self.members]
        each = torch.stack([probabilities for probabilities, _ in pairs])  # (M, N, K)
        mean = (self.shares[:, None, None] * each).sum(dim=0)
        agreement = (self.shares[:, None] * (each.argmax(dim=2) == mean.argmax(dim=1))).sum(dim=0)
        embeddings = pairs[0][1]
        from_centres = (embeddings @ self.whiten)[:, None] - self.centres  # (N, K, D)
        distance = from_centres.square().sum(dim=2).sqrt().amin(dim=1)
        return mean, (self.quantiles < distance[:, None]).float().mean(dim=1), agreement, embeddings


class _Head(nn.Module):
    """One member: its encoders' embeddings to its probabilities (N, K) and what `side_by_side` makes of them (N, D)."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        head = member.head
        self.mean, self.scale, self.weight, self.bias = (
            nn.Buffer(torch.from_numpy(np.asarray(part, dtype=np.float32)))
            for part in (head.mean, head.scale, head.weight, head.bias)
        )
        self.encoders, self.temperature = member.encoders, member.temperature

    def forward(self, by_encoder: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = torch.cat([by_encoder[encoder] for encoder in self.encoders], dim=1)
        logits = (F.normalize(embeddings) - self.mean) / self.scale @ self.weight + self.bias
        return torch.softmax(logits / self.temperature, dim=1), embeddings
