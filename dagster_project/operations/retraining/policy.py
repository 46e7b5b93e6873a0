"""When to retrain: a batch has drifted, or there are new batches or verdicts."""

from __future__ import annotations

from dagster_project.core.atomic_io import content_hash, read_json
from dagster_project.core.ledger import correct_labels, load_corrected_labels, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import ingested_batches
from dagster_project.intake.training_set.build import load_training_set, why_refused
from dagster_project.learning.ensembling.champion_store import champion_hash


def drifted_batches(paths: Paths) -> dict[str, str]:
    """Batches with drift in the report by the present champion: batch -> hash of the report."""
    champion = champion_hash(paths)
    found = {}
    for path in sorted(paths.drift_dir.glob("*.json")):
        report = read_json(path)
        if report["drifted"] and report.get("model_version") == champion:
            found[report["batch"]] = content_hash(path)
    return found


def something_to_learn(paths: Paths) -> list[str]:
    """Reasons to train again; empty if there is nothing new to learn from."""
    allowed = {batch for batch in ingested_batches(paths) if not why_refused(paths, batch)}
    learned = set(load_training_set(paths)["batch"]) if paths.training_set.exists() else set()
    reasons = [f"new batch {batch}" for batch in sorted(allowed - learned)]
    present = correct_labels(load_verdicts(paths)).astype(str)
    known = load_corrected_labels(paths).astype(str)
    if not present.equals(known.reindex(columns=present.columns)):
        reasons.append("new verdicts")
    return reasons
