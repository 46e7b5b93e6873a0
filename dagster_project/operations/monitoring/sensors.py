"""What happens by itself: batches are monitored; drift, or the calendar, asks for retraining; failures are noted."""

import json
from datetime import UTC, datetime

import dagster as dg

from dagster_project.core.dagster_helpers import Root
from dagster_project.core.paths import Layout
from dagster_project.core.settings.settings import Params
from dagster_project.operations.retraining.policy import drifted_batches, needs_monitoring, something_to_learn

MONITOR = dg.define_asset_job(
    "monitor_batch",
    dg.AssetSelection.assets("batch_predictions", "drift_report"),
    description="Predict one batch with the champion and measure its drift.",
)
LEARN = dg.define_asset_job(
    "learn",
    dg.AssetSelection.groups("training_set", "pretraining", "evaluation", "ensembling", "label_errors")
    | dg.AssetSelection.assets("corrected_labels", "review_worklist", "review_budget", "reviewed_accuracy"),
    description="Train anew on all batches that passed and all verdicts; the gate decides on promotion.",
)


@dg.asset_sensor(
    asset_key=dg.AssetKey("radiograph_headers"), job=MONITOR, default_status=dg.DefaultSensorStatus.RUNNING
)
def new_batch(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry, root: Root
) -> dg.RunRequest | dg.SkipReason:
    """Monitors each newly ingested batch, once there is a champion."""
    materialization = asset_event.asset_materialization
    batch = materialization.partition if materialization else None
    if not batch or not needs_monitoring(root.layout, batch):
        return dg.SkipReason("there is no champion yet, or its report on the batch stands")
    return dg.RunRequest(run_key=asset_event.run_id, partition_key=batch)


@dg.sensor(job=LEARN, minimum_interval_seconds=60)
def retrain_on_drift(root: Root) -> dg.SensorResult | dg.SkipReason:
    """Asks for retraining when a batch's report, made with the present champion, says drift; once a report."""
    drifted = drifted_batches(root.layout)
    if not drifted:
        return dg.SkipReason("no batch has drifted from the present champion's reference")
    return dg.SensorResult([dg.RunRequest(run_key=f"drift-{batch}-{report}") for batch, report in drifted.items()][:1])


def retraining_schedule(params: Params) -> dg.ScheduleDefinition:
    """The schedule that asks for retraining at set times, if there is something new to learn."""

    @dg.schedule(cron_schedule=params.monitoring.retrain_cron, job=LEARN, name="retrain_at_set_times")
    def schedule(context: dg.ScheduleEvaluationContext, root: Root) -> dg.RunRequest | dg.SkipReason:
        news = something_to_learn(root.layout)
        if not news:
            return dg.SkipReason("nothing new to learn from since the last training")
        return dg.RunRequest(tags={"raytruth/why": "; ".join(news)[:200]})

    return schedule


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run(context: dg.RunFailureSensorContext, root: Root) -> None:
    """Notes a failed run in `data/reports/failed_runs.jsonl`: job, batch, step and kind of error, never its text."""
    note_failure(root.layout, context)


def note_failure(layout: Layout, context: dg.RunFailureSensorContext) -> None:
    """Append one line; the text of an error stays in Dagster's log, which has its own access control."""
    failures = context.get_step_failure_events()
    error = failures[0].step_failure_data.error if failures else None
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": context.dagster_run.run_id,
        "job": context.dagster_run.job_name,
        "batch": context.dagster_run.tags.get("dagster/partition", ""),
        "step": failures[0].step_key if failures else "",
        "error": (error.cause.cls_name if error and error.cause else error.cls_name if error else "") or "",
    }
    layout.failures.parent.mkdir(parents=True, exist_ok=True)
    with layout.failures.open("a") as f:
        f.write(json.dumps(line) + "\n")
