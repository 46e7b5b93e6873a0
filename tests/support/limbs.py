"""A root of drawn limbs with some turned and inverted, and a small encoder; made without DICOM or training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_array, write_table
from dagster_project.intake.ingestion.pixels.letterbox import centred
from dagster_project.intake.ingestion.pixels.turning import turned
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.tables import TRAINING_SET
from support.onnx_networks import write_encoder
from support.roots import settings_of, small_root

SIDE, BATCH = 64, "limbs"
WIDENING, EVEN = "knee", "elbow"  # a limb that widens downwards; one that looks alike upside down


@dataclass(frozen=True)
class Limbs:
    """`turn` (N,) degrees clockwise and `inverted` (N,) of each image of the batch; `upright` (N, s, s) before."""

    root: Root
    turn: np.ndarray
    inverted: np.ndarray
    upright: np.ndarray


def limbs_root(folder: Path, count: int = 240, each: int = 4, **changes: object) -> Limbs:
    """`count` images, three a patient; `each` of those of WIDENING turned by 90°, 180° and 270° and inverted."""
    draw = np.random.default_rng(8)
    paths = small_root(folder, pretraining__plugged_in=["small"], profile="frozen", **changes)
    write_encoder(paths.encoder("plugged_in/small"))
    region = np.where(np.arange(count) % 2, EVEN, WIDENING)
    upright = np.stack([limb(draw, widening=r == WIDENING) for r in region])
    planted = draw.permutation(np.flatnonzero(region == WIDENING))[: 4 * each].reshape(4, each)
    turn, inverted = np.zeros(count, int), np.zeros(count, bool)
    for rows, degrees in zip(planted[:3], (90, 180, 270), strict=True):
        turn[rows] = degrees
    inverted[planted[3]] = True
    stored = [turned(i, t, inverted=v) for i, t, v in zip(upright, turn.tolist(), inverted.tolist(), strict=True)]
    write_array(paths.pixels(BATCH), np.stack(stored))
    table = pd.DataFrame(dict.fromkeys(TRAINING_SET.types, ""), index=range(count))
    patient = np.arange(count) // 3
    table["image_id"] = [f"{i:032x}" for i in range(count)]
    table["batch"], table["region"], table["row"] = BATCH, region, np.arange(count, dtype="int32")
    table["patient"] = table["patient_group"] = [f"p{p:03d}" for p in patient]
    table["fold"], table["split"] = (patient % 3).astype("int8"), np.where(patient % 5, "train", "test")
    table["near_duplicate_group"], table["reviewed"] = np.arange(count, dtype="int32"), False
    write_table(paths.training_set, table)
    write_table(paths.headers(BATCH), table[["image_id"]])
    return Limbs(Root(paths, settings_of(paths)), turn, inverted, upright)


def limb(draw: np.random.Generator, *, widening: bool) -> np.ndarray:
    """A bright limb, top to bottom, on a dark ground in a letterbox; uint8 (SIDE, SIDE)."""
    width = int(draw.integers(38, 46))
    y, x = np.mgrid[0:SIDE, 0:width]
    middle, half = draw.uniform(0.45, 0.55) * (width - 1), draw.uniform(7, 8)
    half = half + (0.2 * (y - (SIDE - 1) / 2) if widening else 0)
    content = 25 + draw.uniform(120, 170) * (np.abs(x - middle) < half) + draw.normal(0, 8, (SIDE, width))
    return centred(content, SIDE)
