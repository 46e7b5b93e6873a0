"""The whole graph on one page."""

from __future__ import annotations

import dagster as dg

from dagster_project.core.dagster_helpers import BATCHES
from dagster_project.core.jobs import JOBS
from dagster_project.intake.ingestion.assets import radiographs
from dagster_project.intake.ingestion.checks import no_identity_outside_private
from dagster_project.intake.ingestion.sensors import inbox
from dagster_project.intake.pacs.assets import inbox_asset, pacs_assets
from dagster_project.intake.pacs.resources import Pacs
from dagster_project.intake.pacs.sensors import pacs_sensors
from dagster_project.intake.resources import RootResource
from dagster_project.intake.training_set.assets import training_set
from dagster_project.intake.validation.checks import metadata_checks
from dagster_project.label_quality.error_causes.assets import error_causes
from dagster_project.label_quality.label_errors.assets import label_errors
from dagster_project.label_quality.review.assets import (
    corrected_labels,
    review_budget,
    review_worklist,
    reviewed_accuracy,
    verdicts,
)
from dagster_project.learning.ensembling.assets import ensemble_asset
from dagster_project.learning.evaluation.assets import evaluation_asset
from dagster_project.learning.orientation.assets import orientation
from dagster_project.learning.pretraining.assets import encoder_assets, plugged_in_encoders
from dagster_project.learning.pretraining.methods_on import check_methods
from dagster_project.learning.shortcut_audit.assets import shortcut_audit
from dagster_project.operations.monitoring.assets import batch_predictions, drift_report
from dagster_project.operations.monitoring.checks import batch_is_upright
from dagster_project.operations.monitoring.sensors import failed_run, new_batch
from dagster_project.operations.retraining.assets import champion
from dagster_project.operations.retraining.sensors import retrain_on_drift, retraining_schedule
from dagster_project.pipeline import stages

root = RootResource()
settings = root.settings
check_methods(settings)
table = stages(settings)

defs = dg.Definitions(
    assets=[
        *pacs_assets(settings.pacs),  # one a source that params.yaml names
        inbox_asset(settings.pacs),
        radiographs,  # radiograph_headers, radiograph_pixels; one partition a batch
        verdicts,
        corrected_labels,
        training_set,
        encoder_assets(settings),  # one a pretraining method that is on
        plugged_in_encoders,
        orientation,  # with a check
        evaluation_asset(settings),
        ensemble_asset(settings),
        shortcut_audit,
        champion,
        label_errors,
        error_causes,
        review_worklist,
        review_budget,
        reviewed_accuracy,
        batch_predictions,  # one partition a batch
        drift_report,  # one partition a batch
    ],
    asset_checks=[metadata_checks, no_identity_outside_private, batch_is_upright],
    jobs=[
        dg.define_asset_job(
            job,
            dg.AssetSelection.assets(*(asset for stage in table if stage.job == job for asset in stage.assets)),
            description=description,
        )
        for job, description in JOBS.items()
    ],
    sensors=[inbox, *pacs_sensors(settings.pacs), new_batch, retrain_on_drift, failed_run],
    schedules=[retraining_schedule(settings)],
    resources={"root": root, "pacs": Pacs(root=root)},
    executor=dg.in_process_executor,  # a process a step would cost more than most steps
)

# The `raytruth` logger writes to the terminal already: what Dagster's own would add is each line a second time.
_SHOW_NO_LOG = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def execute(job: str, batch: str | None = None) -> dict[str, float]:
    """Run a job in this process, recorded in the Dagster instance of DAGSTER_HOME; returns seconds a step.

    Raises the error of a step that fails.
    """
    with dg.DagsterInstance.get() as instance:
        if batch:
            instance.add_dynamic_partitions(BATCHES.name or "", [batch])
        result = defs.resolve_job_def(job).execute_in_process(
            run_config=_SHOW_NO_LOG, instance=instance, partition_key=batch
        )
        steps = instance.get_run_step_stats(result.run_id)
        return {s.step_key: s.end_time - s.start_time for s in steps if s.start_time and s.end_time}
