"""Export of the champion to a folder, for use elsewhere: ONNX, checked against torch, with its model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dagster_project.core.atomic_io import read_json, replacing_dir, write_card, write_text
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.batch.store import images_from_all_batches
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.champion_store import champion_folder, champion_hash
from dagster_project.learning.ensembling.model import Model
from dagster_project.learning.ensembling.onnx_model import load_onnx_model, write_onnx

ONNX, CARD, README = "model.onnx", "card.json", "README.md"
_MOST_CHECKED = 300
_TOLERANCE = 1e-4  # of a probability; another order of float32 sums changes less than a tenth of this


@dataclass(frozen=True)
class OnnxParity:
    """The largest differences between torch and ONNX over `images` real images."""

    images: int
    probabilities: float
    ood_score: float
    embeddings: float


def export_champion(root: Root, folder: Path) -> OnnxParity:
    """Write `model.onnx`, `card.json` and `README.md` of the champion to `folder`, which appears after all checks.

    Raises RayTruthError if the folder holds anything but an earlier export, there is no champion, no image to check
    with, or ONNX and torch differ by more than 0.0001 in a probability.
    """
    folder = folder.resolve()
    _refuse_strange_folder(folder)
    model = load_champion(root)
    images = images_from_all_batches(root.paths, _MOST_CHECKED)
    source = champion_folder(root.paths)
    if not (source / README).exists():
        raise RayTruthError(
            "The champion has no model card",
            where=root.paths.place(root.paths.champion),
            do="train and promote a model with this version",
        )
    with replacing_dir(folder) as made:
        write_onnx(made / ONNX, model, {"model_version": champion_hash(root.paths)})
        parity = check_onnx(made / ONNX, model, images)
        card = read_json(source / CARD) | {
            "model_version": champion_hash(root.paths),
            "onnx_against_torch": vars(parity),
        }
        write_card(made / CARD, card)
        write_text(made / README, (source / README).read_text(encoding="utf-8") + _how_to_use(model, parity))
    return parity


def check_onnx(path: Path, model: Model, images: np.ndarray) -> OnnxParity:
    """Predict uint8 images (N, s, s) with both. Raises RayTruthError if they differ too much."""
    ours, theirs = model.on("cpu").predict(images), load_onnx_model(path).predict(images)
    differences = {
        name: float(np.abs(getattr(ours, name) - getattr(theirs, name)).max())
        for name in ("probabilities", "ood_score", "embeddings")
    }
    parity = OnnxParity(len(images), **differences)
    if not parity.probabilities <= _TOLERANCE:  # NaN too
        raise RayTruthError(
            f"The ONNX model's probabilities differ from torch's by {parity.probabilities:.2g}",
            where=path.name,
            do="nothing was exported; report the versions of torch and onnxruntime to the authors of RayTruth",
        )
    return parity


def _refuse_strange_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or {p.name for p in folder.iterdir()} - {ONNX, CARD, README}):
        raise RayTruthError(
            "The folder for the export holds other files", where="FOLDER", do="name a new folder, or an earlier export"
        )


def _how_to_use(model: Model, parity: OnnxParity) -> str:
    px, regions, size = model.image_size, len(model.regions), model.members[0].head.mean.size
    return f"""
## model.onnx
The whole model in one file: backbones with the mean over two sizes and mirror images, probes, temperatures, weights.

| | name | type and shape |
|---|---|---|
| input | `images` | uint8 (N, {px}, {px}), any N, 0 to 255; reduce larger images by area averaging |
| output | `probabilities` | float32 (N, {regions}), in the order of the regions above |
| output | `ood_score` | float32 (N,), 0 to 1, 1 = least like the training images |
| output | `member_agreement` | float32 (N,), 0 to 1, weight of the members with the ensemble's first choice |
| output | `embeddings` | float32 (N, {size}), of the first member |

Checked before the export: over {parity.images} real images the largest difference to torch is \
{parity.probabilities:.1e} in a probability, {parity.embeddings:.1e} in an embedding.

    raytruth predict-folder FOLDER_OF_DICOM --out predictions.parquet --model model.onnx
"""
