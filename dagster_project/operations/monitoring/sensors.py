"""Sensors that monitor each new batch and record failed runs."""

import json
from datetime import UTC, datetime

import dagster as dg

from dagster_project.core.jobs import MONITOR_BATCH
from dagster_project.core.paths import Paths
from dagster_project.intake.resources import RootResource
from dagster_project.operations.monitoring.stored import needs_monitoring


@dg.asset_sensor(
    asset_key=dg.AssetKey("radiograph_headers"), job_name=MONITOR_BATCH, default_status=dg.DefaultSensorStatus.RUNNING
)
def new_batch(
    context: dg.SensorEvaluationContext, asset_event: dg.EventLogEntry, root: RootResource
) -> dg.RunRequest | dg.SkipReason:
    """Monitors each newly ingested batch, once there is a champion."""
    materialization = asset_event.asset_materialization
    batch = materialization.partition if materialization else None
    if not batch or not needs_monitoring(root.paths, batch):
        return dg.SkipReason("there is no champion yet, or the batch has a current report")
    return dg.RunRequest(run_key=asset_event.run_id, partition_key=batch)


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING)
def failed_run(context: dg.RunFailureSensorContext, root: RootResource) -> None:
    """Records a failed run in `data/reports/failed_runs.jsonl`: job, batch, step, kind of error, without its text."""
    record_failure(root.paths, context)


def record_failure(paths: Paths, context: dg.RunFailureSensorContext) -> None:
    """Append one line. The text of an error stays in Dagster's log, which has its own access control."""
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
    paths.failures.parent.mkdir(parents=True, exist_ok=True)
    with paths.failures.open("a") as f:
        f.write(json.dumps(line) + "\n")
