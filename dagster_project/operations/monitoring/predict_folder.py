"""Predicting any folder of DICOM files for the site's own use, a block of images at a time."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from dagster_project.core.atomic_io import replacing
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.batch.folder_reader import FolderImage, read_folder
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.model import Predictor, refuse_other_regions
from dagster_project.learning.ensembling.onnx_model import load_onnx_model
from dagster_project.operations.monitoring.predict import class_probabilities, first_choice

_BLOCK = 1024


@dataclass(frozen=True)
class ScoreSummary:
    """Images predicted, by region, and files left out, by reason."""

    regions: dict[str, int]
    left_out: dict[str, int]

    @property
    def images(self) -> int:
        """How many were predicted."""
        return sum(self.regions.values())


def score(root: Root, source: Path, out: Path, model_file: Path | None = None) -> ScoreSummary:
    """Predict every usable radiograph under `source` and write a table to `out`, which appears when it is complete.

    The champion predicts, or the ONNX model in `model_file`. Columns: sop_instance_uid, region, confidence,
    ood_score (0..1, 1 = least like the training images), and one probability a class under its name, in the order
    of the image ids. The table holds original UIDs: it is for the site's own use. Memory does not grow with the folder.
    Raises RayTruthError if `out` cannot be written, there is no such model or one of other region classes than the
    root's, or nothing under `source` is usable.
    """
    if not out.parent.is_dir() or out.is_dir():
        what = "is itself a folder" if out.is_dir() else "stands in no folder"
        raise RayTruthError(f"The file for the predictions {what}", where="--out", do="name a file in a folder")
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
    return ScoreSummary(dict(regions.most_common()), dict(left_out.most_common()))


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
    text, number = ("sop_instance_uid", "region"), ("confidence", "ood_score", *model.regions)
    return pa.schema([(name, pa.string()) for name in text] + [(name, pa.float32()) for name in number])
