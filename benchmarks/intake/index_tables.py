"""Memory and CPU time for the index tables of a large archive: validation, labels, split, joins.

    python -m benchmarks.intake.index_tables [--rows 1000000]

Headers are drawn at random with the vocabulary of real headers, four images per patient, in one batch. Each stage runs
the real functions in its own process. Pixels are not used (the search for near-duplicates compares all pairs of
thumbnails, too many for a million images); `split` links patients by headers and the pixels' digest.
Goal: under 4 GB each.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.memory import high_water
from benchmarks.paired import processor_seconds
from benchmarks.results import ROOT, arguments, save, shipped_settings
from dagster_project.core.atomic_io import begin_npy, read_table, write_table
from dagster_project.core.ledger import load_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers, load_patient_evidence
from dagster_project.intake.ingestion.batch.tables import HEADERS, IDENTITIES, PATIENT_EVIDENCE
from dagster_project.intake.ingestion.headers.patient_evidence import IMAGE, PATIENT_ID, SERIES, STUDY
from dagster_project.intake.root import Root
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.training_set.labels import apply_corrections, drop_small_classes
from dagster_project.intake.training_set.patient_links import equal_pixels, link_patients
from dagster_project.intake.training_set.split import assign_folds, assign_splits, stratum_of
from dagster_project.intake.validation.validate import validate

BATCH, GOAL_MB = "archive", 4096
_A_PATIENT = 4  # images
_TEXTS = {
    "batch": [BATCH],
    "modality": ["DX", "CR"],
    "sop_class": ["DX", "CR"],
    "transfer_syntax": ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"],
    "photometric_interpretation": ["MONOCHROME1", "MONOCHROME2"],
    "burned_in_annotation": ["NO", ""],
    "view_position": ["AP", "PA", "LL", ""],
    "laterality": ["R", "L", "U", ""],
    "patient_sex": ["F", "M", "O"],
    "manufacturer": ["ACME", "RAYCO"],
    "model": ["DR-1", "Vantage 40"],
    "station": ["ROOM1", "ROOM2", "ROOM3"],
    "label_status": ["region", "region", "region", "region", "missing"],
    "label_attribute": ["AnatomicRegionSequence", "BodyPartExamined"],
    "label_rule": ["code", "synonym"],
    "label_matched": ["Knee", "HAND", "Wrist"],
    "label_conflict": [""],
    "warnings": ["", "private_tags", "monochrome1;private_tags"],
}


def write_root(root: Path, rows: int) -> None:
    """A root with one batch of synthetic headers, identities, and a shard with as many (empty, sparse) images."""
    rng, paths = np.random.default_rng(0), Paths(root)
    root.mkdir()
    shutil.copy(ROOT / shipped_settings().regions, root / "regions.yaml")
    regions = load_taxonomy(root / "regions.yaml").regions
    images, patients = np.arange(rows), np.arange(rows) // _A_PATIENT
    ids = {
        name: pd.Series([f"{int(number) * 2654435761:032x}" for number in numbers], dtype="string")
        for name, numbers in {"image_id": images, "patient": patients, "study": patients, "series": images}.items()
    }
    chosen = {name: rng.choice(words, rows) for name, words in _TEXTS.items()}
    table = pd.DataFrame({**ids, **chosen, "pixel_digest": ids["image_id"]})
    table["header_region"] = pd.Series(rng.choice(regions, rows)).where(table["label_status"] == "region")
    table["study_date_shifted"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, rows), unit="D")
    numbers = {"rows": 2500, "columns": 2048, "bits_allocated": 16, "bits_stored": 12, "kvp": 60.0, "age_decade": 5}
    table = table.assign(**numbers, signed=False, rescaled=False)
    table = table.assign(
        **{name: 0.0 for name in HEADERS.types if name not in table and name != "label_conflict_region"}
    )
    table["label_conflict_region"] = pd.Series([None] * rows, dtype="string")
    table = table[list(HEADERS.types)].astype(HEADERS.types).sort_values("image_id", ignore_index=True)
    write_table(paths.headers(BATCH), table)
    write_table(paths.patient_evidence(BATCH), _evidence(table))
    private = pd.DataFrame(dict.fromkeys(IDENTITIES.types, table["image_id"])).assign(batch=BATCH)
    write_table(paths.identities, private)
    paths.pixels(BATCH).parent.mkdir(parents=True, exist_ok=True)
    with paths.pixels(BATCH).open("wb") as file:
        begin_npy(file, (rows, 32, 32))
        file.truncate(file.tell() + rows * 32**2)


def _evidence(headers: pd.DataFrame) -> pd.DataFrame:
    """The patient evidence of the headers: one row per study, series, image and patient ID."""
    columns = {STUDY: "study", SERIES: "series", IMAGE: "image_id", PATIENT_ID: "patient"}
    rows = [
        pd.DataFrame({"patient": headers["patient"], "evidence": kind, "value": headers[column]}).drop_duplicates()
        for kind, column in columns.items()
    ]
    evidence = pd.concat(rows, ignore_index=True)
    return evidence.assign(issuer="", sex="F", birth_date=evidence["value"].str[:8])[list(PATIENT_EVIDENCE.types)]


def run_validation(root: Root) -> None:
    """The whole suite with its Data Docs."""
    failed = [check.name for check in validate(root, BATCH).checks if not check.passed]
    if failed:
        raise RuntimeError(f"checks failed: {failed}")


def run_split(root: Root) -> None:
    """Labels with corrections, small classes, groups, folds and splits, as the training set is built."""
    settings = root.settings.training_set
    headers = load_headers(root.paths, BATCH)
    table = apply_corrections(headers, load_corrected_labels(root.paths))
    evidence = pd.concat([load_patient_evidence(root.paths), equal_pixels(headers)], ignore_index=True)
    links = link_patients(evidence, table, np.empty((0, 2), np.int64))
    table["patient_group"] = table["patient"].map(links.group)
    table, _ = drop_small_classes(table, settings.min_patients)
    strata = stratum_of(table["patient_group"], table["region"])
    table["fold"] = table["patient_group"].map(assign_folds(strata, settings.folds))
    nobody = pd.Series(dtype="string")
    splits = assign_splits(strata, nobody, test=settings.test, validation=settings.validation)
    table["split"] = table["patient_group"].map(splits)
    write_table(root.paths.training_set, table)


def run_joins(root: Root) -> None:
    """Headers joined with identities by image id, as for reports that go back to the archive."""
    identities = read_table(root.paths.identities, columns=["image_id", "sop_instance_uid", "path"])
    joined = load_headers(root.paths, BATCH)[["image_id", "header_region"]].merge(identities, on="image_id", how="left")
    if joined["path"].isna().any():
        raise RuntimeError("rows without an identity")


STAGES: dict[str, Callable[[Root], None]] = {
    "validation": run_validation,
    "split": run_split,
    "joins": run_joins,
}


def measure(rows: int) -> pd.DataFrame:
    """One row per stage: peak memory and CPU time."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        write_root(root, rows)
        for stage in STAGES:
            command = [sys.executable, "-m", "benchmarks.intake.index_tables", "--stage", stage, "--root", str(root)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            found.append({"stage": stage, "rows": rows, **json.loads(done.stdout.splitlines()[-1])})
    return pd.DataFrame(found)


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--stage", choices=STAGES, help="one stage in this process, on --root; printed as JSON")
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.stage:
        settings = shipped_settings().model_copy(update={"regions": "regions.yaml"})
        STAGES[options.stage](Root(Paths(options.root), settings))
        print(json.dumps({"peak_mb": high_water(), "cpu_seconds": processor_seconds()}))
        return
    table = measure(options.rows)
    save(table, "index_tables", options.out)
    for row in table.itertuples():
        print(f"{row.stage}: {row.peak_mb:.0f} MB; goal {GOAL_MB}: {'met' if row.peak_mb < GOAL_MB else 'missed'}")


if __name__ == "__main__":
    main()
