"""The whole model as one ONNX file: written from torch, and read back to predict with onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
from dagster_project.core.schema import KEY, SCHEMA
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.encoder import Encoder
from dagster_project.learning.encoders.onnx_export import renamed_output, to_onnx
from dagster_project.learning.ensembling.model import Member, Model, Predictions
from dagster_project.learning.ensembling.out_of_domain import LEAST, OutOfDomain

OUTPUTS = ("probabilities", "ood_score", "member_agreement", "embeddings")  # the fields of Predictions, in their order
_BATCH = 256
_CARD = "raytruth"
_REFUSED = (
    *(refusals.InvalidProtobuf, refusals.InvalidGraph, refusals.InvalidArgument, refusals.NotImplemented),
    *(refusals.Fail, refusals.RuntimeException),
)


@dataclass(frozen=True)
class OnnxModel:
    """A model read from an ONNX file. `image_size` is the side (pixels) of the images that it takes."""

    regions: tuple[str, ...]
    image_size: int
    session: onnxruntime.InferenceSession

    def predict(self, images: np.ndarray) -> Predictions:
        """Predict uint8 images (N, s, s), letterboxed and stretched by the ingestion."""
        found = []
        for start in range(0, len(images), _BATCH):
            small = reduced(images[start : start + _BATCH], self.image_size)
            found.append(self.session.run(list(OUTPUTS), {"images": small}))
        return Predictions(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def write_onnx(path: Path, model: Model, card: Mapping[str, Any]) -> None:
    """Write the model as ONNX: `images` uint8 (N, s, s) to OUTPUTS, any N and s. `card` is stored as JSON.

    The file holds the encoders, each member's probe and temperature, the weighted mean, and the out-of-domain score.
    Predictions only need images reduced to the card's `image_size`.
    """
    sizes = {name: torch.zeros(2, encoder.embedding_size) for name, encoder in model.encoders.items()}
    written = to_onnx(_Heads(model).eval(), sizes, OUTPUTS)
    for name, encoder in model.encoders.items():
        part = onnx.compose.add_prefix(_from_side(encoder, model.image_size), f"{name}/")
        written = onnx.compose.merge_models(part, written, io_map=[(f"{name}/embeddings", name)])
    _read_one_input(written, [f"{name}/images" for name in model.encoders])
    del written.graph.value_info[:]  # sizes of one name differ between encoders; onnxruntime refuses them
    about = {**card, KEY: SCHEMA, "regions": model.regions, "image_size": model.image_size}
    onnx.helper.set_model_props(written, {_CARD: json.dumps(about, sort_keys=True)})
    onnx.checker.check_model(written)
    onnx.save(written, path)


def _from_side(encoder: Encoder, side: int) -> onnx.ModelProto:
    """The encoder as ONNX, best with images of this side (pixels), which it reduces first if it reads smaller ones."""
    if encoder.image_size >= side:
        return encoder.to_onnx()
    images = torch.zeros(2, side, side, dtype=torch.uint8)
    before = to_onnx(_AreaAverage(encoder.image_size), {"images": images}, ["reduced"], free_axes={"images": (0, 1, 2)})
    after = onnx.compose.add_prefix(encoder.to_onnx(), "encoder/")
    joined = onnx.compose.merge_models(before, after, io_map=[("reduced", "encoder/images")])
    return renamed_output(joined, "embeddings")


class _AreaAverage(nn.Module):
    """uint8 (N, side, side) to uint8 (N, px, px), unchanged if side <= px: `reduced` as products of matrices.

    ONNX has no such operator for sides that px does not divide.
    """

    def __init__(self, px: int) -> None:
        super().__init__()
        self.px = nn.Buffer(torch.tensor(px))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        side = torch._shape_as_tensor(images)[1]
        px = torch.minimum(side, self.px)
        row, column = torch.arange(px)[:, None], torch.arange(side)  # type: ignore[call-overload]
        first, beyond = row * side // px, ((row + 1) * side + px - 1) // px
        inside, count = ((column >= first) & (column < beyond)).float(), (beyond - first).float()
        sums = inside @ images.float() @ inside.T  # whole numbers, so halves are rounded as `reduced` rounds them
        return (sums / count / count.T).round().to(torch.uint8)


def _read_one_input(model: onnx.ModelProto, inputs: Sequence[str]) -> None:
    """Merge all `inputs` of a model into one, `images`."""
    first = next(i for i in model.graph.input if i.name == inputs[0])
    first.name = "images"
    for other in [i for i in model.graph.input if i.name in inputs]:
        model.graph.input.remove(other)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in inputs:
                node.input[place] = "images"


def load_onnx_model(path: Path) -> OnnxModel:
    """Read a model that `write_onnx` wrote. Raises RayTruthError if the file is missing, broken, or of another kind."""
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        card = json.loads(session.get_modelmeta().custom_metadata_map[_CARD])
    except (OSError, KeyError, ValueError, *_REFUSED) as error:
        raise RayTruthError(
            f"The ONNX model cannot be read ({type(error).__name__})",
            where="--model",
            do="give the model.onnx that `raytruth export-onnx` wrote",
        ) from error
    return OnnxModel(tuple(card["regions"]), int(card["image_size"]), session)


class _Heads(nn.Module):
    """From the embeddings (N, D) of each encoder to OUTPUTS, like `Model.predict`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.encoders = tuple(model.encoders)
        self.members = nn.ModuleList(_Head(member) for member in model.members)
        self.weights = nn.Buffer(torch.tensor([m.weight for m in model.members]))
        self.out_of_domain = _OutOfDomain(model.out_of_domain)
        self.ood_encoder = model.ood_encoder

    def forward(self, *embedded: torch.Tensor) -> tuple[torch.Tensor, ...]:
        by_encoder = dict(zip(self.encoders, embedded, strict=True))
        pairs = [member(by_encoder) for member in self.members]
        each = torch.stack([probabilities for probabilities, _ in pairs])  # (M, N, K)
        mean = (self.weights[:, None, None] * each).sum(dim=0)
        member_agreement = (self.weights[:, None] * (each.argmax(dim=2) == mean.argmax(dim=1))).sum(dim=0)
        ood_score = self.out_of_domain(by_encoder[self.ood_encoder], mean)
        return mean, ood_score, member_agreement, pairs[0][1]


class _OutOfDomain(nn.Module):
    """From embeddings (N, D) and probabilities (N, K) to `ood_score` (N,), like `OutOfDomain.score`."""

    def __init__(self, fitted: OutOfDomain) -> None:
        super().__init__()
        self.whiten = nn.Buffer(torch.from_numpy(fitted.whiten))
        self.centres = nn.Buffer(torch.from_numpy(fitted.means @ fitted.whiten))
        self.usual, self.spread, self.quantiles = (
            nn.Buffer(torch.from_numpy(part)) for part in (fitted.usual, fitted.spread, fitted.quantiles)
        )

    def forward(self, embeddings: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
        from_centres = (F.normalize(embeddings) @ self.whiten)[:, None] - self.centres  # (N, K, D)
        distance = from_centres.square().sum(dim=2).sqrt().amin(dim=1)
        doubt = -probabilities.amax(dim=1).clamp(min=LEAST).log()
        unlike = ((torch.stack([doubt, distance], dim=1) - self.usual) / self.spread).sum(dim=1)
        return (self.quantiles < unlike[:, None]).float().mean(dim=1)


class _Head(nn.Module):
    """One member: from its encoders' embeddings to probabilities (N, K) and the concatenated embeddings (N, D)."""

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
