"""The cache of embeddings: each image is embedded once by an encoder, and a broken cache costs time alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.onnx_networks import SIDE, write_encoder

from dagster_project.core.paths import Paths
from dagster_project.learning.encoders.embedding_cache import embed_cached, forget_other_encoders
from dagster_project.learning.encoders.encoder import load_encoder
from dagster_project.learning.encoders.onnx_encoder import OnnxEncoder

IMAGES = np.random.default_rng(3).integers(0, 256, (9, SIDE, SIDE), np.uint8)


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnnxEncoder:
    """An encoder that notes how many images it was given, in `embedded`."""
    real = OnnxEncoder.embed

    def noted(self: OnnxEncoder, images: np.ndarray) -> np.ndarray:
        embedded.append(len(images))
        return real(self, images)

    embedded.clear()
    monkeypatch.setattr(OnnxEncoder, "embed", noted)
    loaded = load_encoder(write_encoder(tmp_path / "elsewhere"), "cpu")
    assert isinstance(loaded, OnnxEncoder)
    return loaded


embedded: list[int] = []


def test_an_image_is_embedded_once_wherever_it_comes_again(encoder: OnnxEncoder, tmp_path: Path) -> None:
    paths, wanted = Paths(tmp_path), encoder.embed(IMAGES)
    embedded.clear()
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES[:6]), wanted[:6])
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES[::-1]), wanted[::-1])
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES), wanted)
    assert embedded == [6, 3]


def test_another_preprocessing_is_another_encoder(encoder: OnnxEncoder, tmp_path: Path) -> None:
    normalisation = {"mean": [0.1] * 3, "std": [0.2] * 3}
    other = load_encoder(write_encoder(tmp_path / "other", normalisation=normalisation), "cpu")
    ours, theirs = (embed_cached(Paths(tmp_path), one, IMAGES) for one in (encoder, other))
    assert not np.allclose(ours, theirs)
    assert embedded == [9, 9]


@pytest.mark.parametrize("what", [b"no database", b""])
def test_a_cache_that_cannot_be_read_is_made_again(
    encoder: OnnxEncoder, tmp_path: Path, what: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    paths = Paths(tmp_path)
    wanted = embed_cached(paths, encoder, IMAGES)
    (file,) = paths.embedding_cache.iterdir()
    file.write_bytes(what)
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES), wanted)
    assert "cannot be read" in caplog.text
    embedded.clear()
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES), wanted)
    assert embedded == []


def test_a_cache_that_cannot_be_written_costs_no_result(
    encoder: OnnxEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = Paths(tmp_path)
    paths.embedding_cache.parent.mkdir()
    paths.embedding_cache.write_text("a file where the folder would be")
    np.testing.assert_array_equal(embed_cached(paths, encoder, IMAGES), encoder.embed(IMAGES))
    assert "cannot be written" in caplog.text


def test_embeddings_of_encoders_that_are_gone_are_forgotten(encoder: OnnxEncoder, tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    embed_cached(paths, encoder, IMAGES)
    forget_other_encoders(paths, {encoder.fingerprint})
    embed_cached(paths, encoder, IMAGES)
    assert embedded == [9]
    forget_other_encoders(paths, set())
    embed_cached(paths, encoder, IMAGES)
    assert embedded == [9, 9]
