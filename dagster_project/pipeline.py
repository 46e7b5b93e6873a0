"""The stages in order, as plain calls: what the command line, DVC and the demonstration share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from dagster_project.core.dvc_versions import commit_stage
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import update_corrected_labels
from dagster_project.core.paths import Paths, checked_batch_name
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.ingestion.batch.batch_registry import batch_name_for, registered_batches, registered_source
from dagster_project.intake.ingestion.batch.ingest import BatchSummary, ingest
from dagster_project.intake.ingestion.batch.store import ingested_batches
from dagster_project.intake.privacy.scan import Scan, scan
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.intake.validation.validate import Validation, validate
from dagster_project.label_quality.error_causes.find import find_causes
from dagster_project.label_quality.label_errors.find import find_label_errors
from dagster_project.label_quality.review.review_budget import budget
from dagster_project.label_quality.review.reviewed_accuracy import accuracy_as_reviewed
from dagster_project.label_quality.review.worklist import build_worklist
from dagster_project.learning.ensembling.champion import Gate, promote
from dagster_project.learning.ensembling.ensemble import build_ensemble
from dagster_project.learning.evaluation.linear_evaluation import evaluate
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import methods_on
from dagster_project.learning.pretraining.pretrain import pretrain
from dagster_project.learning.shortcut_audit.audit import audit_shortcuts
from dagster_project.operations.monitoring.drift import measure_drift
from dagster_project.operations.monitoring.predict import predict_batch

log = logging.getLogger("raytruth")

Stage = Callable[[Root], object]


def learning_stages(settings: Settings) -> dict[str, Stage]:
    """Everything that is learned, in order; names are those of the assets and of dvc.yaml."""
    encoders: dict[str, Stage] = {
        method.encoder: partial(_pretrain, method=method.name) for method in (*methods_on(settings), CROSSFIT)
    }
    return {
        "corrected_labels": lambda root: update_corrected_labels(root.paths),
        "training_set": build_training_set,
        **encoders,
        "linear_evaluation": evaluate,
        "ensemble": build_ensemble,
        "shortcut_audit": audit_shortcuts,
        "label_errors": find_label_errors,
        "causes": lambda root: find_causes(root.paths),
        "review_worklist": build_worklist,
        "review_budget": lambda root: budget(root.paths),
        "reviewed_accuracy": accuracy_as_reviewed,
        "champion": promote,  # last: nothing before waits for it, and with too little to learn from there is none
    }


def ingest_registered(root: Root) -> list[BatchSummary]:
    """Ingest every registered batch again, and every folder of the inbox; unchanged ones cost nothing."""
    inbox = sorted(p.name for p in root.paths.inbox.iterdir() if p.is_dir()) if root.paths.inbox.is_dir() else []
    names = sorted({*registered_batches(root.paths), *map(checked_batch_name, inbox)})
    return [ingest(root, registered_source(root.paths, name), name) for name in names]


def validate_all(root: Root) -> list[Validation]:
    """Validate every ingested batch."""
    return [validate(root, batch) for batch in ingested_batches(root.paths)]


def run(root: Root, sources: list[Path]) -> dict[str, float]:
    """The whole chain on `sources`, one batch each; every stage's outputs are committed to DVC.

    Returns seconds a stage. Run again after an interruption, it takes up what is missing.
    """
    seconds: dict[str, float] = {}
    for source in sources:
        batch = batch_name_for(root.paths, source)
        with _timed(f"radiographs {batch}", seconds):
            summary = ingest(root, source, batch)
            log.info("batch %s: %d images, %s", batch, summary.images, summary.verdicts)
        with _timed(f"metadata_checks {batch}", seconds):
            _say_failed(validate(root, batch))
    commit_stage(root.paths, "radiographs")
    commit_stage(root.paths, "metadata_checks")
    methods = (*methods_on(root.settings), CROSSFIT)
    for name, stage in learning_stages(root.settings).items():
        if name == methods[0].encoder:
            with _timed("pretraining", seconds):  # side by side; the encoders' own stages then find them up to date
                pretrain(root, *(method.name for method in methods))
        with _timed(name, seconds):
            stage(root)
            commit_stage(root.paths, name)
    with _timed("batch_predictions", seconds):
        for batch in ingested_batches(root.paths):
            predict_batch(root, batch)
        commit_stage(root.paths, "batch_predictions")
    with _timed("drift_report", seconds):
        for batch in ingested_batches(root.paths):
            measure_drift(root, batch)
        commit_stage(root.paths, "drift_report")
    with _timed("scan_identities", seconds):
        _say_found(scan(root.paths, ingested_batches(root.paths)))
    return seconds


def chosen_batches(paths: Paths, batch: str | None) -> list[str]:
    """The batch named, or all ingested ones. Raises RayTruthError if there is no such batch, or none at all."""
    known = ingested_batches(paths)
    if not known or (batch and batch not in known):
        raise RayTruthError(
            f"There is no batch {batch}" if batch else "There is no batch yet",
            where="data/headers/",
            do="ingest one: `raytruth ingest SOURCE --batch NAME`"
            + (f"; there are {', '.join(known)}" if known else ""),
        )
    return [batch] if batch else known


def describe_gate(gate: Gate) -> str:
    """The gate's decision in a sentence."""
    if not gate.passed:
        return f"champion kept ({gate.champion[:12]}); the challenger " + "; ".join(gate.against)
    kept = "is still the champion" if gate.challenger == gate.champion else "is the champion now"
    return f"{gate.challenger[:12]} {kept}: accuracy {gate.accuracy:.3f} on the locked test split"


def _pretrain(root: Root, *, method: str) -> None:
    pretrain(root, method)


def _say_failed(validation: Validation) -> None:
    for check in validation.checks:
        if not check.passed:
            kind = "blocking check" if check.blocking else "check"
            log.warning("batch %s: %s failed: %s (%d rows)", validation.batch, kind, check.says, check.unexpected)


def _say_found(result: Scan) -> None:
    for find in result.finds:
        log.error("batch %s: %s found in %s (%d times)", find.batch, find.kind, find.place, find.times)
    for place in result.unread:
        log.warning("could not be searched for identities: %s", place)


@contextmanager
def _timed(name: str, seconds: dict[str, float]) -> Iterator[None]:
    log.info("== %s", name)
    started = time.monotonic()
    yield
    seconds[name] = time.monotonic() - started
