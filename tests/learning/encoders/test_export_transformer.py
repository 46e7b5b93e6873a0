"""The script of docs/encoders.md, on a small transformer of RAD-DINO's architecture with random weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.missing import left_out

from dagster_project.learning.encoders.encoder import load_encoder

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[3] / "docs" / "export_transformer.py"
TRANSFORMERS = Path(sys.prefix) / "transformers"  # apart from the other packages, see the Makefile
SIZE, WIDTH, MEAN, DEVIATION = 56, 24, 0.5, 0.25

SMALL_MODEL = f"""
import sys
import numpy as np
import torch
from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

folder = sys.argv[1]
torch.manual_seed(1)
config = Dinov2Config(hidden_size={WIDTH}, num_hidden_layers=2, num_attention_heads=2, image_size=112, patch_size=14)
network = Dinov2Model(config).eval()
network.save_pretrained(folder)
crop = dict(height={SIZE}, width={SIZE})
processor = BitImageProcessor(crop_size=crop, image_mean=[{MEAN}] * 3, image_std=[{DEVIATION}] * 3, do_convert_rgb=True)
processor.save_pretrained(folder)
pixels = (torch.from_numpy(np.load(folder + "/images.npy"))[:, None].float() / 255 - {MEAN}) / {DEVIATION}
with torch.inference_mode():
    embeddings = network(pixel_values=pixels.expand(-1, 3, -1, -1)).last_hidden_state[:, 0]
np.save(folder + "/embeddings.npy", embeddings.numpy())
"""


def run(*command: object) -> None:
    """A Python process that finds the library, and asks no server for a model."""
    if not TRANSFORMERS.exists():
        left_out("the library `transformers` is not there: `make test` installs it")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(TRANSFORMERS)}
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_a_saved_transformer_becomes_an_encoder_with_the_same_embeddings(tmp_path: Path) -> None:
    saved, folder = tmp_path / "small", tmp_path / "dino"
    saved.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE), np.uint8)
    np.save(saved / "images.npy", images)
    run("-c", SMALL_MODEL, saved)
    run(SCRIPT, saved, folder, "--licence", "MIT", "--trained-on", "nothing")
    encoder = load_encoder(folder, "cpu")
    assert (encoder.image_size, encoder.embedding_size, encoder.card["licence"]) == (SIZE, WIDTH, "MIT")
    np.testing.assert_allclose(encoder.embed(images), np.load(saved / "embeddings.npy"), atol=1e-4)
