"""Predictions for any folder of DICOM files, for the site's own use, one block of images at a time."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from dagster_project.core.atomic_io import replacing, with_schema_version
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.batch.folder_reader import FolderImage, read_folder
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.model import Predictor, refuse_other_regions
from dagster_project.learning.ensembling.onnx_model import load_onnx_model
from dagster_project.operations.monitoring.predict import class_probabilities, first_choice
from dagster_project.operations.monitoring.tables import FOLDER_PREDICTIONS

_BLOCK = 1024


@dataclass(frozen=True)
class FolderSummary:
    """Images predicted, by region, and files left out, by reason."""

    regions: dict[str, int]
    left_out: dict[str, int]

    @property
    def images(self) -> int:
        """Number of predicted images."""
        return sum(self.regions.values())


def predict_folder(root: Root, source: Path, out: Path, model_file: Path | None = None) -> FolderSummary:
    """Predict every usable radiograph under `source` and write a table to `out`, which appears when it is complete.

    The champion predicts, or the ONNX model in `model_file`. Columns: sop_instance_uid, region, confidence,
    ood_score (0..1, 1 = least like the training images), and one probability per class, named like the class; rows in
    the order of the image ids. The table contains patient data (original UIDs), for the site's own use. Memory does not
    grow with the folder. Raises RayTruthError if `out` cannot be written, the model is missing or has other region
    classes than the root, or nothing under `source` is usable.
    """
    if not out.parent.is_dir() or out.is_dir():
        what = "is a folder" if out.is_dir() else "is in a folder that does not exist"
        raise RayTruthError(
            f"The file for the predictions {what}", where="--out", do="name a file in an existing folder"
        )
    model = _load(root, model_file)
    root.paths.private.mkdir(parents=True, exist_ok=True)
    regions: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    with (
        closing(read_folder(root, source, left_out)) as scorable,
        replacing(out) as temporary,
        ParquetWriter(temporary, _schema(model)) as writer,
    ):
        while block := list(islice(scorable, _BLOCK)):
            table = _predict(model, block)
            regions.update(table["region"].to_pylist())
            writer.write_table(table)
    return FolderSummary(dict(regions.most_common()), dict(left_out.most_common()))


def _load(root: Root, model_file: Path | None) -> Predictor:
    if model_file is None:
        return load_champion(root)
    model = load_onnx_model(model_file)
    refuse_other_regions(
        model.regions, root, where="--model", do="give a model that was exported from this root's champion"
    )
    return model


def _predict(model: Predictor, block: list[FolderImage]) -> pa.Table:
    found = model.predict(np.stack([scorable.image for scorable in block]))
    columns = {
        "sop_instance_uid": [scorable.sop_instance_uid for scorable in block],
        **first_choice(model, found),
        "ood_score": found.ood_score.astype(np.float32),
        **class_probabilities(model, found),
    }
    return pa.table(columns, schema=_schema(model))


def _schema(model: Predictor) -> pa.Schema:
    kinds = FOLDER_PREDICTIONS.types | dict.fromkeys(model.regions, "float32")
    arrow = {"string": pa.string(), "float32": pa.float32()}
    return with_schema_version(pa.schema([(name, arrow[kind]) for name, kind in kinds.items()]))
