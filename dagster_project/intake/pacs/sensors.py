"""One sensor for each PACS source; a root without sources has none. The inbox sensor starts the ingestion."""

import hashlib
import json

import dagster as dg

from dagster_project.core.settings.pacs import RECEIVED, PacsSettings
from dagster_project.intake.pacs.assets import key_of, tallies_table
from dagster_project.intake.pacs.resources import Pacs

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def pacs_sensors(settings: PacsSettings) -> list[dg.SensorDefinition]:
    """A polling sensor for each source in params.yaml, and a sensor that shows received images."""
    polls = [_poll(name, settings.poll_minutes * 60) for name in sorted(settings.sources)]
    return [*polls, watch_received] if settings.receive.allowed else polls


def _poll(name: str, seconds: int) -> dg.SensorDefinition:
    job = dg.define_asset_job(
        f"pull_{name}",
        dg.AssetSelection.assets(key_of(name)),
        description=f"Fetch new radiographs from the PACS {name}.",
    )

    @dg.sensor(
        name=f"poll_{name}",
        job=job,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts a pull from the PACS {name}, unless a pull is running.",
    )
    def poll(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        busy = dg.RunsFilter(job_name=f"pull_{name}", statuses=_UNDER_WAY)
        if context.instance.get_runs_count(busy):
            return dg.SkipReason("a pull from this PACS is running")
        return dg.RunRequest()

    return poll


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Shows the numbers of images that `raytruth receive` took in and refused, when they change.",
)
def watch_received(context: dg.SensorEvaluationContext, pacs: Pacs) -> dg.SensorResult | dg.SkipReason:
    """An observation of the receiver's asset."""
    now = hashlib.sha256(json.dumps(pacs.tallies(RECEIVED)).encode()).hexdigest()
    if now == context.cursor or not pacs.tallies(RECEIVED):
        return dg.SkipReason("no new images were sent")
    seen = dg.AssetObservation(key_of(RECEIVED), metadata={"objects by day": tallies_table(pacs, RECEIVED)})
    return dg.SensorResult(asset_events=[seen], cursor=now)
