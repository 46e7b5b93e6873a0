"""Small encoders as ONNX: averages of 4 x 4 fields of an image, times a fixed matrix; good ones and faulty ones."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, SIZE = 32, 12  # pixels of the input; numbers of an embedding
CARD = {
    "kind": "onnx",
    "input_size": SIDE,
    "channels": 3,
    "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    "embedding_size": SIZE,
    "licence": "MIT",
    "source": "a test",
    "trained_on": "nothing",
}


def write_encoder(folder: Path, fault: str = "", opset: int = 17, **card: object) -> Path:
    """Write encoder.onnx, with one fault at most, and a card; `card` are changed lines of it (None: left out)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "encoder.onnx"
    onnx.save_model(
        network(fault, opset), path, save_as_external_data=fault == "external", size_threshold=0, location="weights.bin"
    )
    lines = CARD | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()} | card
    (folder / "card.json").write_text(json.dumps({name: value for name, value in lines.items() if value is not None}))
    return folder


def network(fault: str = "", opset: int = 17) -> onnx.ModelProto:
    """The network; `fault`: external, foreign, fixed, two_outputs, nan, constant, random, others, wide, loop, inner."""
    size = {"wide": 100_000}.get(fault, SIZE)
    weight = np.random.default_rng(5).normal(size=(48, size)).astype(np.float32)
    weight = {"nan": weight * np.nan, "constant": weight * 0}.get(fault, weight)
    first = 1 if fault == "fixed" else "n"
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["fields"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["fields"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
    ]
    weights = [numpy_helper.from_array(weight, "weight")]
    last = {
        "foreign": helper.make_node("Secret", ["product"], ["embedding"], domain="com.example"),
        "random": helper.make_node("RandomNormalLike", ["product"], ["embedding"]),
        "others": helper.make_node("CumSum", ["product", "axis"], ["embedding"]),
        "inner": helper.make_node("Loop", ["times", "", "product"], ["embedding"], body=_endless("com.example")),
        "loop": helper.make_node("Loop", ["times", "", "product"], ["embedding"], body=_endless()),
    }.get(fault, helper.make_node("Identity", ["product"], ["embedding"]))
    if fault == "others":
        weights.append(numpy_helper.from_array(np.int64(0), "axis"))
    if fault in ("loop", "inner"):
        weights.append(numpy_helper.from_array(np.int64(2**60), "times"))
    outputs = ["embedding", "flat"] if fault == "two_outputs" else ["embedding"]
    graph = helper.make_graph(
        [*nodes, last],
        "encoder",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [first, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [first, None]) for name in outputs],
        weights,
    )
    opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid("com.example", 1)] * (
        fault in ("foreign", "inner")
    )
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _endless(domain: str = "") -> onnx.GraphProto:
    def value(name: str, kind: int, shape: list[object]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    return helper.make_graph(
        [
            helper.make_node("Identity", ["again"], ["go_on"]),
            helper.make_node("Sin", ["before"], ["after"], domain=domain),
        ],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("again", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, [None, None]),
        ],
        [value("go_on", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, [None, None])],
    )
