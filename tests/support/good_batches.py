"""Batches that pass every metadata check, made without DICOM."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from dagster_project.core.paths import Paths
from support.archive import patients_of, put_batch

BATCH, ROWS = "march", 40


def pseudonym(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def put_good_batch(paths: Paths, batch: str, seed: int = 1) -> pd.DataFrame:
    """Publish a batch of ROWS images of three regions that passes every check; returns its header table."""
    rows, images = patients_of([i % 3 for i in range(ROWS // 2)], seed)
    rows["patient"] = rows["patient"].map(pseudonym)
    good = {"modality": "DX", "sop_class": "DX", "transfer_syntax": "1.2.840.10008.1.2.1"}
    good |= {"photometric_interpretation": "MONOCHROME2", "manufacturer": "ACME", "model": "DR-1", "station": "ROOM1"}
    rows = rows.assign(**good, study=rows["patient"].map(pseudonym), series=rows["image_id"])
    for empty in ("label_conflict", "laterality", "view_position", "patient_sex", "burned_in_annotation"):
        rows[empty] = ""
    rows = rows.assign(label_attribute="BodyPartExamined", label_rule="term", label_matched="KNEE", warnings="")
    rows["study_date_shifted"] = pd.Timestamp(2025, 6, 1) + pd.to_timedelta(np.arange(len(rows)), "D")
    return put_batch(paths, batch, rows, images)
