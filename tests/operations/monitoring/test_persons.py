"""Drift takes patients whom headers link for one, across batches and the champion's reference."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from support.archive import patients_of, put_batch
from support.roots import small_root

from dagster_project.intake.ingestion.headers.patient_evidence import STUDY, Evidence
from dagster_project.operations.monitoring.drift import with_linked_patients


def test_patients_of_two_batches_who_are_linked_have_one_name_and_others_keep_theirs(tmp_path: Path) -> None:
    paths = small_root(tmp_path / "root")
    put_batch(paths, "a", *patients_of([0, 1], 1), evidence=[Evidence("p1-000", STUDY, "s", "", "", "")])
    put_batch(paths, "b", *patients_of([0], 2), evidence=[Evidence("p2-000", STUDY, "s", "", "", "")])
    table = pd.DataFrame({"patient": ["p2-000", "p1-001", "p1-000", "of a batch that is gone"]})
    assert with_linked_patients(paths, table)["patient"].tolist() == [
        "p1-000",
        "p1-001",
        "p1-000",
        "of a batch that is gone",
    ]
