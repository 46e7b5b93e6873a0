"""A root with a ranked list, made without learning: in ROOM2 half of the elbows are called shoulder."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set
from support.archive import REGIONS, put_batch, write_regions
from support.roots import settings_of, small_root

STATION = "ROOM2"
PROTOCOL = "CANARYPROTOCOL arm"


def suspicious_root(folder: Path, patients: int = 320) -> tuple[Paths, pd.DataFrame]:
    """The root, and what is true of its images: image_id, truth, header_region, station.

    Two images a patient, which are a study. The month of the planted errors is 2026-03, their protocol PROTOCOL.
    """
    paths = small_root(folder, write_regions(folder.with_suffix(".yaml")))
    rng, count = np.random.default_rng(8), 2 * patients
    patient = np.arange(count) // 2
    rows = pd.DataFrame(
        {
            "image_id": [hashlib.sha256(f"image {i}".encode()).hexdigest()[:32] for i in range(count)],
            "patient": [f"{i:032x}" for i in patient],
            "truth": np.array(REGIONS, dtype=object)[rng.integers(len(REGIONS), size=patients)[patient]],
            "station": [f"ROOM{i}" for i in rng.integers(1, 5, size=patients)[patient]],
            "manufacturer": "ACME",
            "model": "DR-1",
            "label_attribute": "BodyPartExamined",
            "label_rule": "term",
        }
    )
    wrong = (rows["station"] == STATION) & (rows["truth"] == "elbow") & (rng.random(count) < 0.5)
    rows["header_region"] = rows["truth"].where(~wrong, "shoulder")
    rows["label_matched"] = rows["header_region"].str.upper()
    days = load_pseudonyms(paths.pseudonym_key)
    taken = [date(2026, 3, 9) if w else date(2026, 1 + i % 9, 9) for i, w in zip(patient, wrong, strict=True)]
    rows["study_date_shifted"] = [days.shifted(p, day) for p, day in zip(rows["patient"], taken, strict=True)]
    put_batch(paths, "first", rows, rng.integers(256, size=(count, 64, 64), dtype=np.uint8))
    texts = [PROTOCOL if w else f"protocol {i % 3}" for i, w in zip(patient, wrong, strict=True)]
    write_table(
        paths.label_texts,
        rows[["image_id"]].assign(attribute="ProtocolName", text=texts, batch="first"),
    )
    build_training_set(Root(paths, settings_of(paths)))
    ranked = pd.DataFrame(
        {
            "image_id": rows["image_id"],
            "given_region": rows["header_region"],
            "proposed_region": rows["truth"],
            "error_probability": 1 - np.where(wrong, rng.beta(2, 8, count), rng.beta(9, 0.3, count)),
            "kind": np.where(wrong, "wrong_label", "none"),
            "visible_regions": "",
            "confidence": 0.9,
            "neighbourhood_noise": 0.5,
            "model_agreement": 1.0,
            "neighbour_agreement": 0.8,
        }
    ).sort_values(["error_probability", "image_id"], ascending=[False, True], ignore_index=True)
    ranked.insert(3, "rank", np.arange(1, count + 1, dtype=np.int32))
    write_table(paths.label_errors, ranked)
    return paths, rows
