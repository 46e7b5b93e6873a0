"""Encoders that were trained elsewhere: a network as ONNX, and a card that says how to feed it.

Nothing in the folder is executed as code. onnxruntime runs the network on the CPU, with the standard operators only.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from onnxruntime.capi import onnxruntime_pybind11_state as refusals
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn
from torch.nn import functional as F

from dagster_project.core.atomic_io import write_card
from dagster_project.core.errors import RayTruthError
from dagster_project.core.schema import KEY, SCHEMA
from dagster_project.core.settings.problems import problems_of
from dagster_project.core.settings.settings import Device
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.onnx_export import OPSET, renamed_output, to_onnx

NETWORK, CARD = "encoder.onnx", "card.json"
LARGEST_EMBEDDING = 16_384
_BATCH = 32
_REFUSED = (
    *(refusals.InvalidProtobuf, refusals.InvalidGraph, refusals.InvalidArgument, refusals.NotImplemented),
    *(refusals.Fail, refusals.RuntimeException, refusals.NoSuchFile),
)
Text = Annotated[str, Field(min_length=1)]


class Normalisation(BaseModel):
    """What the network expects: (x - mean) / std of grey values x in 0..1, one number for each channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    mean: Annotated[list[float], Field(min_length=1, max_length=3)]
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1, max_length=3)]


class OnnxCard(BaseModel):
    """`card.json` of an encoder from elsewhere. `input_size` in pixels; `sha256` of encoder.onnx."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["onnx"]
    input_size: Annotated[int, Field(ge=16, le=1024)]
    channels: Literal[1, 3]
    normalisation: Normalisation
    embedding_size: Annotated[int, Field(ge=2, le=LARGEST_EMBEDDING)]
    licence: Text
    source: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    trained_on: Text

    @model_validator(mode="after")
    def _a_number_for_each_channel(self) -> OnnxCard:
        for name, numbers in (("mean", self.normalisation.mean), ("std", self.normalisation.std)):
            if len(numbers) != self.channels:
                raise ValueError(f"normalisation.{name} has {len(numbers)} numbers, but channels is {self.channels}")
        return self


@dataclass(frozen=True)
class OnnxEncoder:
    """An `Encoder` of the kind `onnx`. It has seen none of the root's labels.

    `network` are the bytes of encoder.onnx; `fingerprint` is their SHA-256, mixed with the card's preprocessing.
    """

    facts: OnnxCard
    network: bytes
    device: Device
    where: str

    @property
    def card(self) -> dict[str, Any]:
        """The facts of card.json."""
        return {**self.facts.model_dump(), "labels_seen": 0, KEY: SCHEMA}

    @property
    def about(self) -> str:
        """A short description of the network."""
        facts = self.facts
        return f"a network from elsewhere, trained on {facts.trained_on} ({facts.source}; licence: {facts.licence})"

    @property
    def image_size(self) -> int:
        """Side (pixels) of the images that the network reads."""
        return self.facts.input_size

    @property
    def embedding_size(self) -> int:
        """Length of an embedding."""
        return self.facts.embedding_size

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the network and of what is done to images before it."""
        facts = self.facts
        prepared = f"{facts.sha256} {facts.input_size} {facts.channels} {facts.normalisation}"
        return hashlib.sha256(prepared.encode()).hexdigest()

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Embeddings float32 (N, D) of uint8 (N, s, s).

        Raises RayTruthError if the network fails on them, or gives other shapes than the card says, or NaN.
        """
        return self._embed(images, onnxruntime.RunOptions())

    def embed_within(self, images: np.ndarray, seconds: float) -> np.ndarray:
        """The same. Raises RayTruthError too if the network has not ended after so many seconds."""
        options = onnxruntime.RunOptions()
        timer = threading.Timer(seconds, setattr, (options, "terminate", True))
        timer.start()
        try:
            return self._embed(images, options)
        except RayTruthError as error:
            raise self._unusable(f"takes more than {seconds:g} seconds") if options.terminate else error from None
        finally:
            timer.cancel()

    def _embed(self, images: np.ndarray, options: onnxruntime.RunOptions) -> np.ndarray:
        session, prepare = _session(self.network, self.where), _Preparation(self.facts)
        name, found = session.get_inputs()[0].name, []
        for start in range(0, len(images), _BATCH):
            small = torch.from_numpy(reduced(images[start : start + _BATCH], self.image_size))
            with torch.inference_mode():
                pixels = prepare(small).numpy()
            try:
                found.append(session.run(None, {name: pixels}, options)[0])
            except _REFUSED as error:
                raise self._unusable(f"cannot process its input ({type(error).__name__})") from error
            if found[-1].shape != (len(small), self.embedding_size) or found[-1].dtype != np.float32:
                shape = f"{found[-1].dtype} {found[-1].shape}"
                raise self._unusable(f"gives {shape}, not float32 ({len(small)}, {self.embedding_size})")
            if not np.isfinite(found[-1]).all():
                raise self._unusable("gives values that are not finite")
        return np.concatenate(found) if found else np.empty((0, self.embedding_size), np.float32)

    def on(self, device: Device) -> OnnxEncoder:
        """The same encoder for a model on another device; the network itself stays on the CPU."""
        return replace(self, device=device)

    def save(self, folder: Path) -> None:
        """Write network and card to a new folder."""
        folder.mkdir(parents=True)
        (folder / NETWORK).write_bytes(self.network)
        write_card(folder / CARD, self.facts.model_dump())

    def to_onnx(self) -> onnx.ModelProto:
        """`images` uint8 (N, s, s) to `embeddings` float32 (N, D), any N and s."""
        example = torch.zeros(2, self.image_size, self.image_size, dtype=torch.uint8)
        before = to_onnx(
            _Preparation(self.facts).eval(), {"images": example}, ["pixels"], free_axes={"images": (0, 1, 2)}
        )
        network = onnx.compose.add_prefix(_at_opset(onnx.load_from_string(self.network)), "network/")
        network.ir_version = before.ir_version
        joined = onnx.compose.merge_models(before, network, io_map=[("pixels", network.graph.input[0].name)])
        return renamed_output(joined, "embeddings")

    def _unusable(self, what: str) -> RayTruthError:
        return RayTruthError(
            f"The encoder's network {what}", where=self.where, do="correct card.json, or export the network again"
        )


def load_onnx_encoder(folder: Path, card: dict[str, Any], device: Device) -> OnnxEncoder:
    """Read an encoder's network and check it against the card.

    Raises RayTruthError, naming the line of the card or the fault of the network, if they do not fit, if the network
    needs files or operators that ONNX does not bring, or if the sizes of its input are not those of the card.
    """
    where = f"{folder.name}/{CARD}"
    facts = {name: value for name, value in card.items() if name not in (KEY, "labels_seen")}
    problems = problems_of(OnnxCard, facts)
    if problems:
        raise RayTruthError(
            "The encoder's card is not usable:\n" + "\n".join(f"  {problem}" for problem in problems),
            where=where,
            do="correct these lines; docs/encoders.md shows a card",
        )
    path = folder / NETWORK
    if not path.is_file() or path.is_symlink():
        raise RayTruthError(
            "The encoder's network is missing", where=f"{folder.name}/{NETWORK}", do="put the file there"
        )
    network, known = path.read_bytes(), OnnxCard.model_validate(facts)
    found = hashlib.sha256(network).hexdigest()
    if found != known.sha256:
        raise RayTruthError(
            f"The encoder's network is not the one of the card: sha256 is {found}",
            where=where,
            do="bring back the network that the card describes, or correct the line `sha256`",
        )
    _check_graph(network, known, folder.name)
    return OnnxEncoder(known, network, device, folder.name)


def _check_graph(network: bytes, card: OnnxCard, name: str) -> None:
    """Raise RayTruthError if the network cannot be run with nothing but itself, or has another input or output."""

    def refused(what: str, do: str) -> RayTruthError:
        return RayTruthError(f"The encoder's network {what}", where=f"{name}/{NETWORK}", do=do)

    again = "export it again, with the embedding as only output"
    try:
        model = onnx.load_from_string(network)
    except DecodeError:
        raise refused("is no ONNX model", again) from None
    graphs = list(_with_inner(model.graph))
    nodes = [node for graph in graphs for node in graph.node]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    tensors += [
        part for graph in graphs for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)
    ]
    tensors += [tensor for node in nodes for a in node.attribute for tensor in (a.t, *a.tensors)]
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise refused("keeps its weights in other files", "save it as one file (save_as_external_data=False)")
    foreign = sorted({node.domain for node in nodes} - {"", "ai.onnx"})
    if foreign or model.functions:
        raise refused(f"uses operators that are not ONNX's own ({', '.join(foreign) or 'functions'})", again)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise refused(f"has {len(inputs)} inputs and {len(model.graph.output)} outputs, not one of each", again)
    axes = [dim.dim_value or None for dim in inputs[0].type.tensor_type.shape.dim]
    wanted = [None, card.channels, card.input_size, card.input_size]
    kind = inputs[0].type.tensor_type.elem_type
    fits = len(axes) == 4 and all(axis in (None, want) for axis, want in zip(axes, wanted, strict=True))
    if not fits or axes[0] is not None or kind != onnx.TensorProto.FLOAT:
        shape = ", ".join("any" if axis is None else str(axis) for axis in axes)
        wants = f"float32 (any, {card.channels}, {card.input_size}, {card.input_size})"
        do = "correct `channels` and `input_size` in card.json, or export it with a free first axis"
        raise refused(f"takes {onnx.TensorProto.DataType.Name(kind).lower()} ({shape}), not {wants}", do)
    _session(network, name)


def _with_inner(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those inside its loops and branches, at any depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _with_inner(inner)


@functools.lru_cache(maxsize=4)
def _session(network: bytes, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except _REFUSED as error:
        raise RayTruthError(
            f"onnxruntime cannot read the encoder's network ({type(error).__name__})",
            where=f"{name}/{NETWORK}",
            do="export it again, with standard operators",
        ) from error


class _Preparation(nn.Module):
    """uint8 (N, s, s) to the network's input, float32 (N, channels, input_size, input_size)."""

    def __init__(self, card: OnnxCard) -> None:
        super().__init__()
        self.px, self.channels = card.input_size, card.channels
        shape = (1, card.channels, 1, 1)
        self.mean = nn.Buffer(torch.tensor(card.normalisation.mean, dtype=torch.float32).reshape(shape))
        self.std = nn.Buffer(torch.tensor(card.normalisation.std, dtype=torch.float32).reshape(shape))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = images[:, None].float() / 255
        sized = F.interpolate(grey, size=(self.px, self.px), mode="bilinear", align_corners=False)
        return (sized.expand(-1, self.channels, -1, -1) - self.mean) / self.std


def _at_opset(network: onnx.ModelProto) -> onnx.ModelProto:
    """The network in the version of the operators that RayTruth exports."""
    (version,) = (entry.version for entry in network.opset_import if entry.domain in ("", "ai.onnx"))
    return network if version == OPSET else onnx.version_converter.convert_version(network, OPSET)
