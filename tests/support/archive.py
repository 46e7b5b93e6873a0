"""Batches as the ingestion leaves them, made without DICOM, and images whose patterns tell their class."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from dagster_project.core.atomic_io import content_hash, write_array, write_json, write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.tables import HEADERS, PATIENT_EVIDENCE
from dagster_project.intake.ingestion.headers.patient_evidence import IMAGE, STUDY, Evidence
from dagster_project.intake.validation.validate import CheckResult, Validation
from support.taxonomies import OWN_REGIONS

REGIONS = ("shoulder", "elbow", "hand", "knee", "foot")
SIDE = 64
_BLANK = {"string": "", "int32": SIDE, "int16": 16, "bool": False, "Int8": 6, "float32": 60.0}


def write_regions(path: Path, regions: Sequence[str] = REGIONS) -> Path:
    """RayTruth's regions file with only the classes named."""
    classes = yaml.safe_load(OWN_REGIONS.read_text())
    path.write_text(yaml.safe_dump({region: classes[region] for region in regions}, sort_keys=False))
    return path


def pattern(kind: int, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """An image (side, side) of class `kind` in 0..5: stripes, rings, a disc, squares or clouds, never twice alike."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    off_y, off_x, phase = rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15), rng.uniform(0, 6.28)
    tilt = rng.uniform(-0.3, 0.3)
    radius = np.hypot(y - off_y, x - off_x)
    shapes = (
        np.sin(25 * (y + tilt * x) + phase),
        np.sin(60 * (x + tilt * y) + phase),
        np.sin(50 * radius + phase),
        np.where(radius < rng.uniform(0.18, 0.26), 1.5, -0.7),
        np.sign(np.sin(40 * (x + tilt * y) + phase) * np.sin(40 * (y - tilt * x))),
        smooth_field(rng, side),
    )
    drawn = shapes[kind] + 0.7 * smooth_field(rng, side) + rng.normal(0, 0.25, (side, side))
    return (127 + rng.uniform(30, 45) * drawn).clip(0, 255).astype(np.uint8)


def smooth_field(rng: np.random.Generator, side: int = SIDE, waves: int = 8) -> np.ndarray:
    """A random smooth field (side, side) of unit spread; no two are alike."""
    y, x = np.mgrid[0:side, 0:side] / side
    field = sum(
        np.sin(rng.uniform(-12, 12) * x + rng.uniform(-12, 12) * y + rng.uniform(0, 6.28)) for _ in range(waves)
    )
    return (field - field.mean()) / field.std()


def smooth_image(seed: int, side: int = SIDE) -> np.ndarray:
    """A random smooth image, uint8 (side, side)."""
    return (127 + 40 * smooth_field(np.random.default_rng(seed), side)).clip(0, 255).astype(np.uint8)


def patients_of(kinds: Sequence[int], seed: int, images: int = 2) -> tuple[pd.DataFrame, np.ndarray]:
    """One patient an entry of `kinds`, each with some images of that class, rightly labelled.

    Returns rows (image_id, patient, header_region, truth) and uint8 images (N, SIDE, SIDE).
    """
    rng = np.random.default_rng(seed)
    rows, drawn = [], []
    for number, kind in enumerate(kinds):
        truth = REGIONS[kind] if kind < len(REGIONS) else None
        for again in range(images):
            name = hashlib.sha256(f"{seed}-{number}-{again}".encode()).hexdigest()[:32]
            rows.append({"image_id": name, "patient": f"p{seed}-{number:03d}", "header_region": truth, "truth": truth})
            drawn.append(pattern(kind, rng))
    return pd.DataFrame(rows), np.stack(drawn)


def put_batch(
    paths: Paths,
    batch: str,
    rows: pd.DataFrame,
    images: np.ndarray,
    *,
    blocked_by: Sequence[str] = (),
    evidence: Sequence[Evidence] = (),
) -> pd.DataFrame:
    """Publish rows and images (N, s, s) as a validated batch; returns its header table.

    `rows` need image_id and patient; other columns of the headers are taken over or filled in. `evidence` comes beside
    what the rows themselves say about their patients.
    """
    order = np.argsort(rows["image_id"].to_numpy(object))
    rows, images = rows.iloc[order].reset_index(drop=True), images[order]
    table = pd.DataFrame({name: rows.get(name, _BLANK.get(kind)) for name, kind in HEADERS.types.items()}, rows.index)
    table["batch"] = batch
    if "study" not in rows:
        table["study"] = "study of " + rows["patient"]
    if "header_region" not in rows:
        table["header_region"] = None
    if "label_status" not in rows:
        table["label_status"] = np.where(table["header_region"].isna(), "missing", "region")
    if "pixel_digest" not in rows:
        table["pixel_digest"] = [hashlib.sha256(image.tobytes()).hexdigest()[:32] for image in images]
    table = table.astype(HEADERS.types)
    write_table(paths.headers(batch), table)
    write_array(paths.pixels(batch), images)
    own = [Evidence(r.patient, STUDY, r.study, "", "", "") for r in table.itertuples()]
    own += [Evidence(r.patient, IMAGE, r.image_id, "", "", "") for r in table.itertuples()]
    told = pd.DataFrame([*own, *evidence], columns=list(PATIENT_EVIDENCE.types)).astype(PATIENT_EVIDENCE.types)
    write_table(paths.patient_evidence(batch), told)
    put_validation(paths, batch, blocked_by=blocked_by)
    return table


def put_validation(paths: Paths, batch: str, *, blocked_by: Sequence[str] = ()) -> None:
    """Say that the batch, as it stands now, was validated, and which blocking checks failed."""
    failed = [CheckResult(name, name, True, False, 1, 1, [], "") for name in blocked_by]
    write_json(paths.validation(batch), asdict(Validation(batch, content_hash(paths.headers(batch)), failed)))
