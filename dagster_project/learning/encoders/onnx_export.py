"""A torch network as an ONNX model in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import onnx
import torch
from torch import nn

OPSET = 17


def to_onnx(
    network: nn.Module,
    examples: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    *,
    free_axes: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> onnx.ModelProto:
    """Trace a network on the CPU. `examples` are the inputs by name, in order; the first axis of each is free.

    `free_axes` names further axes of the inputs that may differ in length from the example.
    """
    axes = {name: {0: "n"} for name in (*examples, *outputs)}
    for name, free in free_axes.items():
        axes[name] |= {axis: "px" for axis in free if axis}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        written = Path(folder) / "network.onnx"
        warnings.simplefilter("ignore")  # torch calls this exporter old; the new one needs two more packages
        torch.onnx.export(
            network,
            tuple(examples.values()),
            str(written),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_axes=axes,
        )
        return onnx.load(written)


def renamed_output(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model with another name for its first output."""
    before = model.graph.output[0].name
    model.graph.output[0].name = name
    for node in model.graph.node:
        node.output[:] = [name if output == before else output for output in node.output]
        node.input[:] = [name if entry == before else entry for entry in node.input]
    return model
