"""When to retrain: a batch has drifted, or there are batches that the champion has not seen."""

from __future__ import annotations

from dagster_project.core.atomic_io import content_hash, read_json
from dagster_project.core.ledger import correct_labels, load_corrected_labels, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import ingested_batches
from dagster_project.intake.training_set.build import load_training_set, why_refused
from dagster_project.learning.ensembling.champion_store import champion_hash


def drifted_batches(paths: Paths) -> dict[str, str]:
    """Batches whose latest report, made with the present champion, says drift: batch -> hash of the report."""
    champion = champion_hash(paths)
    found = {}
    for path in sorted(paths.drift_dir.glob("*.json")):
        report = read_json(path)
        if report["drifted"] and report["model_version"] == champion:
            found[report["batch"]] = content_hash(path)
    return found


def something_to_learn(paths: Paths) -> list[str]:
    """Why training again would learn more than the last time; empty if it would not."""
    allowed = {batch for batch in ingested_batches(paths) if not why_refused(paths, batch)}
    learned = set(load_training_set(paths)["batch"]) if paths.training_set.exists() else set()
    reasons = [f"new batch {batch}" for batch in sorted(allowed - learned)]
    said = correct_labels(load_verdicts(paths)).astype(str)
    known = load_corrected_labels(paths).astype(str)
    if not said.equals(known.reindex(columns=said.columns)):
        reasons.append("new verdicts")
    return reasons
