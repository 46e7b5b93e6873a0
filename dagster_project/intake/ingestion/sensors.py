"""New folders in the inbox become batches."""

import json

import dagster as dg

from dagster_project.core.dagster_helpers import BATCHES
from dagster_project.core.errors import RayTruthError
from dagster_project.core.jobs import INGEST_BATCH
from dagster_project.core.paths import checked_batch_name
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import fingerprint, list_files
from dagster_project.intake.resources import RootResource


@dg.sensor(job_name=INGEST_BATCH, default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=30)
def inbox(context: dg.SensorEvaluationContext, root: RootResource) -> dg.SensorResult | dg.SkipReason:
    """Starts the ingestion of a folder in `data/inbox/` when its content has not changed for two ticks."""
    paths = root.paths
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    now: dict[str, str] = {}
    unusable = 0
    for folder in sorted(paths.inbox.iterdir()) if paths.inbox.is_dir() else []:
        if not folder.is_dir():
            continue
        try:
            checked_batch_name(folder.name)
            now[folder.name] = fingerprint(list_files(folder), load_pseudonyms(paths.pseudonym_key))
        except RayTruthError:
            unusable += 1
    settled = [name for name, content in now.items() if seen.get(name) == content]
    known = set(context.instance.get_dynamic_partitions("batches"))
    if unusable:
        context.log.warning(
            "%d folder(s) in data/inbox/ are empty or have a name that is not a valid batch name", unusable
        )
    return dg.SensorResult(
        # Dagster remembers run keys forever, so a folder is ingested again only when its content changes.
        run_requests=[dg.RunRequest(run_key=f"{name}-{now[name]}", partition_key=name) for name in settled],
        dynamic_partitions_requests=[BATCHES.build_add_request([name for name in settled if name not in known])],
        cursor=json.dumps(now),
    )
