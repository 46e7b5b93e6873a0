"""The script of docs/encoders.md, on a small transformer of RAD-DINO's architecture with random weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dagster_project.learning.encoders.encoder import load_encoder

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "docs" / "export_transformer.py"
SIZE, WIDTH = 56, 24


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("transformer") / "small"
    torch.manual_seed(1)
    config = Dinov2Config(hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=2, image_size=112, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    processor = BitImageProcessor(
        crop_size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.25] * 3, do_convert_rgb=True
    )
    processor.save_pretrained(folder)
    return folder


def test_a_saved_transformer_becomes_an_encoder_with_the_same_embeddings(saved: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    command = [sys.executable, SCRIPT, saved, tmp_path / "dino", "--licence", "MIT", "--trained-on", "nothing"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    assert done.returncode == 0, done.stderr
    encoder = load_encoder(tmp_path / "dino", "cpu")
    assert (encoder.image_size, encoder.embedding_size, encoder.card["licence"]) == (SIZE, WIDTH, "MIT")
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE), np.uint8)
    pixels = (torch.from_numpy(images)[:, None].float() / 255 - 0.5) / 0.25
    with torch.inference_mode():
        network = AutoModel.from_pretrained(saved).eval()
        wanted = network(pixel_values=pixels.expand(-1, 3, -1, -1)).last_hidden_state[:, 0]
    np.testing.assert_allclose(encoder.embed(images), wanted.numpy(), atol=1e-4)
