"""The stages in order: one table that the command line, the Dagster jobs and the tests of dvc.yaml read.

Each stage has one name in DVC and Dagster. The table says where this does not hold: `radiographs` makes two assets,
which are published together, and `metadata_checks` makes asset checks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project.core.dvc_versions import commit_stage
from dagster_project.core.jobs import INGEST_BATCH, LEARN, MONITOR_BATCH
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import methods_on

if TYPE_CHECKING:
    from dagster_project.core.settings.settings import Settings
    from dagster_project.intake.privacy.scan import Scan
    from dagster_project.intake.root import Root
    from dagster_project.intake.validation.validate import Validation

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class Stage:
    """One step of the chain.

    `name` is that of the DVC stage, `assets` what it makes in Dagster, `inputs` the assets that it reads. `command` is
    what follows `raytruth`. `run(root)` does the work; stages of the jobs `ingest_batch` and `monitor_batch` take a
    batch too: `run(root, batch)`.
    """

    name: str
    command: str
    run: Callable[..., Any]
    inputs: tuple[str, ...]
    assets: tuple[str, ...]
    job: str


def stages(settings: Settings) -> tuple[Stage, ...]:
    """All stages, in the order in which `run` does them."""
    headers, pixels = "radiograph_headers", "radiograph_pixels"
    encoders = (*(method.encoder for method in methods_on(settings)), "plugged_in_encoders")
    set_, probes = "training_set", "linear_evaluation"
    return (
        Stage("radiographs", "ingest", _INGEST, ("inbox",), (headers, pixels), INGEST_BATCH),
        Stage("metadata_checks", "validate", _VALIDATE, (headers,), (), INGEST_BATCH),
        _learn("corrected_labels", "correct-labels", _CORRECT_LABELS, "verdicts"),
        _learn(set_, "build-training-set", _TRAINING_SET, headers, pixels, "corrected_labels"),
        *(
            _learn(m.encoder, f"pretrain {m.name}", partial(_pretrain, method=m.name), set_, pixels)
            for m in (*methods_on(settings), CROSSFIT)
        ),
        _learn("plugged_in_encoders", "add-encoder", _CHECK_PLUGGED_IN, pixels),
        _learn("orientation", "find-turned", _FIND_TURNED, set_, pixels, "plugged_in_encoders"),
        _learn(probes, "evaluate", _EVALUATE, set_, "orientation", *encoders),
        _learn("ensemble", "ensemble", _ENSEMBLE, set_, probes, *encoders),
        _learn("label_errors", "find-errors", _FIND_ERRORS, set_, probes, CROSSFIT.encoder, "ensemble"),
        _learn("error_causes", "find-causes", _FIND_CAUSES, "label_errors", set_, headers, "verdicts"),
        _learn("review_worklist", "worklist", _WORKLIST, "label_errors", set_, probes),
        _learn("review_budget", "review-budget", _REVIEW_BUDGET, "label_errors", set_, "verdicts"),
        _learn("reviewed_accuracy", "reviewed-accuracy", _REVIEWED_ACCURACY, set_, "ensemble", probes, "verdicts"),
        # After the labels to review, which nobody should wait for.
        _learn("shortcut_audit", "audit-shortcuts", _AUDIT, set_, headers, pixels, "ensemble"),
        # Last: nothing before waits for the champion, and with too little to learn from there is none.
        _learn("champion", "promote", _PROMOTE, "ensemble", set_),
        Stage(
            name="batch_predictions",
            command="predict",
            run=_PREDICT,
            inputs=(headers, pixels, "champion"),
            assets=("batch_predictions",),
            job=MONITOR_BATCH,
        ),
        Stage("drift_report", "monitor", _MONITOR, ("batch_predictions",), ("drift_report",), MONITOR_BATCH),
    )


def run(root: Root, sources: list[Path]) -> dict[str, float]:
    """The whole chain on `sources`, one batch each; every stage's outputs are committed to DVC.

    Returns seconds a stage. Run again after an interruption, it takes up what is missing.
    """
    from dagster_project.intake.ingestion.batch.batch_registry import batch_name_for
    from dagster_project.intake.ingestion.batch.ingest import ingest
    from dagster_project.intake.ingestion.batch.store import ingested_batches
    from dagster_project.intake.privacy.scan import scan
    from dagster_project.learning.pretraining.pretrain import pretrain

    seconds: dict[str, float] = {}
    table = stages(root.settings)
    for source in sources:
        batch = batch_name_for(root.paths, source)
        with _timed(f"radiographs {batch}", seconds):
            summary = ingest(root, source, batch)
            log.info("batch %s: %d images, %s", batch, summary.images, summary.verdicts)
        with _timed(f"metadata_checks {batch}", seconds):
            _say_failed(_VALIDATE(root, batch))
    for stage in table:
        if stage.job == INGEST_BATCH:
            commit_stage(root.paths, stage.name)
    methods = (*methods_on(root.settings), CROSSFIT)
    for stage in table:
        if stage.job == LEARN:
            if stage.name == methods[0].encoder and root.settings.learning.trains:
                with _timed("pretraining", seconds):  # side by side; the encoders' own stages then find them up to date
                    pretrain(root, *(method.name for method in methods))
            with _timed(stage.name, seconds):
                stage.run(root)
                commit_stage(root.paths, stage.name)
    for stage in table:
        if stage.job == MONITOR_BATCH:
            with _timed(stage.name, seconds):
                for batch in ingested_batches(root.paths):
                    stage.run(root, batch)
                commit_stage(root.paths, stage.name)
    with _timed("scan_identities", seconds):
        _say_found(scan(root.paths, ingested_batches(root.paths)))
    return seconds


@dataclass(frozen=True)
class _Lazy:
    """A function that is imported when it is called: the table is read where nobody waits for torch.

    `of_paths`: it takes the root's paths alone.
    """

    module: str
    function: str
    of_paths: bool = False

    def __call__(self, root: Root, *batch: str) -> Any:
        """Call it."""
        function = getattr(import_module(f"dagster_project.{self.module}"), self.function)
        return function(root.paths if self.of_paths else root, *batch)


_INGEST = _Lazy("intake.ingestion.batch.ingest", "ingest_again")
_VALIDATE = _Lazy("intake.validation.validate", "validate")
_CORRECT_LABELS = _Lazy("core.ledger", "update_corrected_labels", of_paths=True)
_TRAINING_SET = _Lazy("intake.training_set.build", "build_training_set")
_CHECK_PLUGGED_IN = _Lazy("learning.encoders.plugged_in", "check_plugged_in")
_FIND_TURNED = _Lazy("learning.orientation.find", "find_turned")
_EVALUATE = _Lazy("learning.evaluation.linear_evaluation", "evaluate")
_ENSEMBLE = _Lazy("learning.ensembling.ensemble", "build_ensemble")
_AUDIT = _Lazy("learning.shortcut_audit.audit", "audit_shortcuts")
_FIND_ERRORS = _Lazy("label_quality.label_errors.find", "find_label_errors")
_FIND_CAUSES = _Lazy("label_quality.error_causes.find", "find_causes", of_paths=True)
_WORKLIST = _Lazy("label_quality.review.worklist", "build_worklist")
_REVIEW_BUDGET = _Lazy("label_quality.review.review_budget", "estimate_review_budget", of_paths=True)
_REVIEWED_ACCURACY = _Lazy("label_quality.review.reviewed_accuracy", "measure_reviewed_accuracy")
_PROMOTE = _Lazy("operations.retraining.gate", "promote")
_PREDICT = _Lazy("operations.monitoring.predict", "predict_batch")
_MONITOR = _Lazy("operations.monitoring.drift", "measure_drift")


def _learn(name: str, command: str, run: Callable[..., Any], *inputs: str) -> Stage:
    """A stage of the job `learn`, which makes the asset of its own name."""
    return Stage(name, command, run, inputs, (name,), LEARN)


def _pretrain(root: Root, *, method: str) -> None:
    from dagster_project.learning.pretraining.pretrain import pretrain

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
