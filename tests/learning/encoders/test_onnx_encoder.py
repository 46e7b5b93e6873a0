"""An encoder from elsewhere: its card and its network must fit, and what does not is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from support.archive import pattern
from support.onnx_networks import CARD, SIDE, SIZE, write_encoder

from dagster_project.core.errors import RayTruthError
from dagster_project.learning.encoders.encoder import load_encoder

IMAGES = np.stack([pattern(k % 5, np.random.default_rng(k)) for k in range(40)])


def test_it_embeds_what_the_card_says(tmp_path: Path) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "elsewhere"), "cpu")
    found = encoder.embed(IMAGES)
    assert (found.shape, found.dtype) == ((40, SIZE), np.float32)
    assert (encoder.image_size, encoder.embedding_size, encoder.card["labels_seen"]) == (SIDE, SIZE, 0)
    assert "MIT" in encoder.about
    assert encoder.embed(IMAGES[:0]).shape == (0, SIZE)
    weight = onnx.numpy_helper.to_array(onnx.load(tmp_path / "elsewhere" / "encoder.onnx").graph.initializer[0])
    grey = IMAGES.reshape(40, SIDE, IMAGES.shape[1] // SIDE, SIDE, -1).mean(axis=(2, 4)).round() / 255
    fields = ((grey - 0.5) / 0.25).reshape(40, 4, 8, 4, 8).mean(axis=(2, 4)).reshape(40, 16)
    np.testing.assert_allclose(found, np.tile(fields, 3) @ weight, atol=1e-3)


def test_saved_and_read_again_it_is_the_same_and_its_preparation_counts_too(tmp_path: Path) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "elsewhere"), "cpu")
    encoder.save(tmp_path / "copy")
    assert load_encoder(tmp_path / "copy", "cpu").fingerprint == encoder.fingerprint
    darker = CARD["normalisation"] | {"mean": [0.4, 0.4, 0.4]}
    other = load_encoder(write_encoder(tmp_path / "darker", normalisation=darker), "cpu")
    assert other.fingerprint != encoder.fingerprint


@pytest.mark.parametrize("opset", [17, 13])
@pytest.mark.parametrize("side", [SIDE, 48])
def test_with_its_preparation_it_is_one_onnx_model(tmp_path: Path, opset: int, side: int) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "elsewhere", opset=opset), "cpu")
    session = onnxruntime.InferenceSession(encoder.to_onnx().SerializeToString())
    images = np.stack([pattern(k % 5, np.random.default_rng(k), side) for k in range(3)])
    (found,) = session.run(["embeddings"], {"images": images})
    if side == SIDE:
        np.testing.assert_allclose(found, encoder.embed(images), atol=1e-4)
    assert found.shape == (3, SIZE)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ({"input_size": 64}, "(any, 3, 32, 32), not float32 (any, 3, 64, 64)"),
        ({"channels": 1, "normalisation": {"mean": [0.5], "std": [0.25]}}, "not float32 (any, 1, 32, 32)"),
        ({"channels": 1}, "normalisation.mean has 3 numbers, but channels is 1"),
        ({"channels": 2}, "channels: Input should be 1 or 3"),
        ({"sha256": "0" * 64}, "not the one of the card: sha256 is"),
        ({"licence": None}, "licence: missing"),
        ({"licence": ""}, "licence: String should have at least 1 character"),
        (
            {"normalisation": {"mean": [0.5] * 3, "std": [0.0] * 3}},
            "normalisation.std.0: Input should be greater than 0",
        ),
        ({"embedding_size": 100_000}, "embedding_size: Input should be less than or equal to 16384"),
        ({"license": "MIT"}, "license: unknown key; did you mean licence?"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_by_the_line(tmp_path: Path, lines: dict[str, object], says: str) -> None:
    with pytest.raises(RayTruthError) as error:
        load_encoder(write_encoder(tmp_path / "elsewhere", **lines), "cpu")
    assert says in str(error.value)
    assert error.value.where.startswith("elsewhere/")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("external", "keeps its weights in other files"),
        ("foreign", "uses operators that are not ONNX's own (com.example)"),
        ("inner", "uses operators that are not ONNX's own (com.example)"),
        ("fixed", "takes float (1, 3, 32, 32)"),
        ("two_outputs", "has 1 inputs and 2 outputs"),
    ],
)
def test_a_network_that_cannot_be_run_alone_is_refused(tmp_path: Path, fault: str, says: str) -> None:
    with pytest.raises(RayTruthError) as error:
        load_encoder(write_encoder(tmp_path / "elsewhere", fault), "cpu")
    assert says in str(error.value)
    assert error.value.where == "elsewhere/encoder.onnx"


def test_a_file_that_is_no_network_and_a_link_are_refused(tmp_path: Path) -> None:
    noise = b"\xff" * 100
    folder = write_encoder(tmp_path / "elsewhere", sha256=hashlib.sha256(noise).hexdigest())
    with pytest.raises(RayTruthError, match="not the one of the card"):
        load_encoder(folder, "cpu")
    (folder / "encoder.onnx").write_bytes(noise)
    with pytest.raises(RayTruthError, match="is no ONNX model"):
        load_encoder(folder, "cpu")
    (folder / "encoder.onnx").unlink()
    (folder / "encoder.onnx").symlink_to("/etc/passwd")
    with pytest.raises(RayTruthError, match="network is missing"):
        load_encoder(folder, "cpu")


@pytest.mark.parametrize(("fault", "says"), [("nan", "not finite"), ("wide", "(32, 100000), not float32 (32, 12)")])
def test_embeddings_that_cannot_be_used_are_refused(tmp_path: Path, fault: str, says: str) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "elsewhere", fault), "cpu")
    with pytest.raises(RayTruthError) as error:
        encoder.embed(IMAGES)
    assert says in str(error.value)


def test_a_network_without_an_end_is_stopped(tmp_path: Path) -> None:
    encoder = load_encoder(write_encoder(tmp_path / "elsewhere", "loop"), "cpu")
    with pytest.raises(RayTruthError, match=r"takes more than 0\.3 seconds"):
        encoder.embed_within(IMAGES[:1], 0.3)
