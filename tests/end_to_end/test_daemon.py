"""Sensors and the schedule under the real daemon: `dagster dev`, as `raytruth ui` starts it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster_graphql import DagsterGraphQLClient
from support.daemon import Served, dagster_on, wait_for

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.paths import Paths

pytestmark = [pytest.mark.slow, pytest.mark.daemon]


@pytest.fixture
def served(learned: Paths, tmp_path: Path) -> Iterator[Served]:
    """A copy of the learned root with the real UI and daemon on it; retraining asked for every minute."""
    paths = Paths(tmp_path / "root")
    shutil.copytree(learned.root, paths.root, symlinks=True)
    paths.settings.write_text(paths.settings.read_text().replace("0 3 * * 0", "'* * * * *'"))
    with dagster_on(paths, tmp_path / "ui.log") as running:
        yield running


def _switch_on(port: int, mutation: str, argument: str, name: str) -> None:
    selector = f'{{repositoryName: "__repository__", repositoryLocationName: "raytruth", {argument}Name: "{name}"}}'
    client = DagsterGraphQLClient("127.0.0.1", port_number=port)
    client._execute(f"mutation {{ {mutation}({argument}Selector: {selector}) {{ __typename }} }}")


def test_a_folder_in_the_inbox_becomes_a_monitored_batch_and_drift_and_calendar_ask_for_retraining(
    served: Served, hospital: Path, tmp_path: Path
) -> None:
    paths, instance, port = served.paths, served.instance, served.port
    some = sorted(p for p in (hospital / "dicom").iterdir() if p.is_dir())[:6]
    arriving = tmp_path / "arriving"
    for patient in some:
        shutil.copytree(patient, arriving / patient.name)
    arriving.rename(paths.inbox / "december")

    # inbox -> ingest_batch -> new_batch -> monitor_batch
    wait_for("the batch's partition", lambda: "december" in instance.get_dynamic_partitions("batches"))
    wait_for("the ingestion", lambda: paths.headers("december").exists() and paths.validation("december").exists())
    wait_for("the batch's drift report", lambda: paths.drift("december").exists())
    (ingestion,) = served.runs("ingest_batch")
    assert ingestion.tags["dagster/partition"] == "december"
    wait_for(
        "both runs to end well",
        lambda: all(r.is_success for r in instance.get_runs()) and len(instance.get_runs()) == 2,
    )
    assert set(pd.read_parquet(paths.predictions("december"))["region"])

    # drift -> learn. So small a batch is not called drifted; its report is made to say so: only the sensor is on trial.
    report = read_json(paths.drift("december"))
    write_json(paths.drift("december"), {**report, "drifted": True, "causes": ["label_mix"]})
    _switch_on(port, "startSensor", "sensor", "retrain_on_drift")
    by_drift = wait_for("a run asked for by drift", lambda: _asked(served, "retrain_on_drift", "sensor_name"))
    _switch_on(port, "startSchedule", "schedule", "retrain_at_set_times")
    wait_for("a tick of the schedule", lambda: _ticks(instance, "retrain_at_set_times", InstigatorType.SCHEDULE))
    assert len(by_drift) == 1, "one report asks once"
    wait_for(
        "a second look of the sensor", lambda: len(_ticks(instance, "retrain_on_drift", InstigatorType.SENSOR)) >= 2
    )
    assert len(_asked(served, "retrain_on_drift", "sensor_name")) == 1


def _asked(served: Served, who: str, tag: str) -> list[dg.DagsterRun]:
    return [run for run in served.runs("learn") if run.tags.get(f"dagster/{tag}") == who]


def _ticks(instance: dg.DagsterInstance, name: str, kind: InstigatorType) -> list[object]:
    states = [s for s in instance.all_instigator_state(instigator_type=kind) if s.instigator_name == name]
    return [t for s in states for t in instance.get_ticks(s.instigator_origin_id, s.selector_id) if not t.is_failure]
