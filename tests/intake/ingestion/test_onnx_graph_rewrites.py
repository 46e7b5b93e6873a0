"""The networks with their sums folded say what they said before."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from dagster_project.intake.ingestion.cleaning.onnx_graph_rewrites import folded

MODELS = Path((find_spec("rapidocr_onnxruntime").submodule_search_locations or [""])[0]) / "models"  # type: ignore[union-attr]
NETWORKS = {"ch_PP-OCRv4_det_infer": (96, 160), "ch_PP-OCRv4_rec_infer": (48, 200)}


@pytest.mark.parametrize(("name", "shape"), NETWORKS.items())
def test_a_folded_network_says_the_same(name: str, shape: tuple[int, int]) -> None:
    path = MODELS / f"{name}.onnx"
    seen = np.random.default_rng(0).uniform(-1, 1, (1, 3, *shape)).astype(np.float32)
    before, after = (onnxruntime.InferenceSession(m, providers=["CPUExecutionProvider"]) for m in (path, folded(path)))
    np.testing.assert_allclose(after.run(None, {"x": seen})[0], before.run(None, {"x": seen})[0], atol=1e-5)
    assert after.get_modelmeta().custom_metadata_map == before.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize("name", NETWORKS)
def test_hard_swish_and_the_scales_and_shifts_are_folded(name: str) -> None:
    path = MODELS / f"{name}.onnx"
    before, after = (
        Counter(node.op_type for node in graph.node)
        for graph in (onnx.load(path).graph, onnx.load_from_string(folded(path)).graph)
    )
    assert after["Clip"] == 0 < before["Clip"]
    assert after["Div"] == before["Div"] - before["Clip"]
    assert after["Conv"] == before["Conv"]
    assert after["BatchNormalization"] == before["BatchNormalization"] + before["Clip"]
    assert before["Add"] - after["Add"] >= 3 * before["Clip"], "one of each hard swish, a shift before it, one behind"


def test_what_others_use_too_stays(tmp_path: Path) -> None:
    number = {k: onnx.numpy_helper.from_array(np.float32(v), k) for k, v in {"three": 3, "zero": 0, "six": 6}.items()}
    weights = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), 2, np.float32), "weights")
    steps = [
        ("Conv", ["x", "weights"], "conv"),
        ("Mul", ["conv", "six"], "scaled"),
        ("Add", ["scaled", "three"], "out"),
    ]
    steps += [("Clip", ["out", "zero", "six"], "clipped"), ("Mul", ["conv", "clipped"], "product")]
    steps += [("Div", ["product", "six"], "swish"), ("Add", ["scaled", "swish"], "end")]
    nodes = [onnx.helper.make_node(kind, inputs, [output]) for kind, inputs, output in steps]
    values = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 1, 4, 4]) for n in ("x", "out", "end")]
    graph = onnx.helper.make_graph(nodes, "few", values[:1], values[1:], [*number.values(), weights])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)], ir_version=8), tmp_path / "m"
    )
    seen = np.random.default_rng(0).normal(size=(1, 1, 4, 4)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": seen})
        for model in (tmp_path / "m", folded(tmp_path / "m"))
    )
    np.testing.assert_allclose(after, before, atol=1e-6)
