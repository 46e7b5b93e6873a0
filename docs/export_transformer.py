"""Write a vision transformer of Hugging Face as an encoder folder: `encoder.onnx` and `card.json`.

    python export_transformer.py MODEL FOLDER --licence MIT --trained-on "882,775 chest radiographs"

MODEL is a name on huggingface.co, which is downloaded, or a folder with a saved model. FOLDER is new; its name becomes
the name of the encoder. Needs torch, onnx and transformers, and nothing of RayTruth: run it on any machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from transformers import AutoImageProcessor, AutoModel, PreTrainedModel


class ClassToken(torch.nn.Module):
    """The class token of the last layer: float32 (N, channels, s, s) to (N, D)."""

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed normalised pixels."""
        return self.network(pixel_values=pixels).last_hidden_state[:, 0]


def export(model: str, folder: Path, licence: str, trained_on: str, input_size: int | None = None) -> None:
    """Write the folder. `input_size` in pixels: as the model's image processor says, unless given."""
    processor = AutoImageProcessor.from_pretrained(model, use_fast=False)
    network = AutoModel.from_pretrained(model, attn_implementation="eager").eval()
    size = input_size or processor.crop_size["height"]
    channels = network.config.num_channels
    folder.mkdir(parents=True)
    path = folder / "encoder.onnx"
    torch.onnx.export(
        ClassToken(network),
        (torch.zeros(2, channels, size, size),),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["pixels"],
        output_names=["embedding"],
        dynamic_axes={"pixels": {0: "n"}, "embedding": {0: "n"}},
    )
    card = {
        "kind": "onnx",
        "input_size": size,
        "channels": channels,
        "normalisation": {"mean": list(processor.image_mean), "std": list(processor.image_std)},
        "embedding_size": network.config.hidden_size,
        "licence": licence,
        "source": model if not Path(model).exists() else Path(model).name,
        "trained_on": trained_on,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--trained-on", required=True)
    parser.add_argument("--input-size", type=int, help="pixels (default: as the model was trained)")
    options = parser.parse_args()
    export(options.model, options.folder, options.licence, options.trained_on, options.input_size)


if __name__ == "__main__":
    main()
