"""Retraining is requested when a batch has drifted, or at set times if there is something new to learn from."""

import dagster as dg

from dagster_project.core.jobs import LEARN
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.resources import RootResource
from dagster_project.operations.retraining.policy import drifted_batches, something_to_learn


@dg.sensor(job_name=LEARN, minimum_interval_seconds=60)
def retrain_on_drift(root: RootResource) -> dg.SensorResult | dg.SkipReason:
    """Requests retraining when a report of the present champion shows drift, once per report."""
    drifted = drifted_batches(root.paths)
    if not drifted:
        return dg.SkipReason("no batch has drifted from the present champion's reference")
    return dg.SensorResult([dg.RunRequest(run_key=f"drift-{batch}-{report}") for batch, report in drifted.items()][:1])


def retraining_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The schedule that requests retraining at set times, if there is something new to learn from."""

    @dg.schedule(cron_schedule=settings.monitoring.retrain_cron, job_name=LEARN, name="retrain_at_set_times")
    def schedule(context: dg.ScheduleEvaluationContext, root: RootResource) -> dg.RunRequest | dg.SkipReason:
        news = something_to_learn(root.paths)
        if not news:
            return dg.SkipReason("nothing new to learn from since the last training")
        return dg.RunRequest(tags={"raytruth/why": "; ".join(news)[:200]})

    return schedule
