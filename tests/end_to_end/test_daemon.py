"""Sensors and the schedule under the real daemon: `dagster dev`, as `raytruth ui` starts it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster_graphql import DagsterGraphQLClient

from dagster_project.files import read_json, write_json
from dagster_project.layout import Layout
from dagster_project.versioning.init import dagster_environment

pytestmark = [pytest.mark.slow, pytest.mark.daemon]
PATIENCE = 300  # seconds; a tick comes every 30


def wait_for(what: str, condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(2)
    raise AssertionError(f"not seen within {PATIENCE} s: {what}")


@pytest.fixture
def served(learned: Layout, tmp_path: Path) -> Iterator[tuple[Layout, dg.DagsterInstance, int]]:
    """A copy of the learned root with the real UI and daemon on it; retraining asked for every minute."""
    layout = Layout(tmp_path / "root")
    shutil.copytree(learned.root, layout.root, symlinks=True)
    layout.params.write_text(layout.params.read_text().replace("0 3 * * 0", "'* * * * *'"))
    settings = layout.dagster_home / "dagster.yaml"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = dagster_environment(layout) | {"OMP_NUM_THREADS": "1"}
    log = (tmp_path / "ui.log").open("w")
    command = [sys.executable, "-c", "from dagster_project.cli import main; main()", "--root", str(layout.root)]
    process = subprocess.Popen(
        [*command, "ui", "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    os.environ["DAGSTER_HOME"] = str(layout.dagster_home)
    assert settings.exists()
    try:
        wait_for("the web server", lambda: _answers(port) or process.poll())
        assert process.poll() is None, (tmp_path / "ui.log").read_text()[-3000:]
        yield layout, dg.DagsterInstance.get(), port
    finally:
        os.environ.pop("DAGSTER_HOME")
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _runs(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    return [run for run in instance.get_runs() if run.job_name == job]


def _switch_on(port: int, mutation: str, argument: str, name: str) -> None:
    selector = f'{{repositoryName: "__repository__", repositoryLocationName: "raytruth", {argument}Name: "{name}"}}'
    client = DagsterGraphQLClient("127.0.0.1", port_number=port)
    client._execute(f"mutation {{ {mutation}({argument}Selector: {selector}) {{ __typename }} }}")


def test_a_folder_in_the_inbox_becomes_a_monitored_batch_and_drift_and_calendar_ask_for_retraining(
    served: tuple[Layout, dg.DagsterInstance, int], hospital: Path, tmp_path: Path
) -> None:
    layout, instance, port = served
    some = sorted(p for p in (hospital / "dicom").iterdir() if p.is_dir())[:6]
    arriving = tmp_path / "arriving"
    for patient in some:
        shutil.copytree(patient, arriving / patient.name)
    arriving.rename(layout.inbox / "december")

    # inbox -> ingest_batch -> new_batch -> monitor_batch
    wait_for("the batch's partition", lambda: "december" in instance.get_dynamic_partitions("batches"))
    wait_for("the ingestion", lambda: layout.headers("december").exists() and layout.validation("december").exists())
    wait_for("the batch's drift report", lambda: layout.drift("december").exists())
    (ingestion,) = _runs(instance, "ingest_batch")
    assert ingestion.tags["dagster/partition"] == "december"
    wait_for(
        "both runs to end well",
        lambda: all(r.is_success for r in instance.get_runs()) and len(instance.get_runs()) == 2,
    )
    assert set(pd.read_parquet(layout.predictions("december"))["region"])

    # drift -> learn. So small a batch is not called drifted; its report is made to say so: only the sensor is on trial.
    report = read_json(layout.drift("december"))
    write_json(layout.drift("december"), {**report, "drifted": True, "causes": ["label_mix"]})
    _switch_on(port, "startSensor", "sensor", "retrain_on_drift")
    by_drift = wait_for("a run asked for by drift", lambda: _asked(instance, "retrain_on_drift", "sensor_name"))
    _switch_on(port, "startSchedule", "schedule", "retrain_at_set_times")
    wait_for("a tick of the schedule", lambda: _ticks(instance, "retrain_at_set_times", InstigatorType.SCHEDULE))
    assert len(by_drift) == 1, "one report asks once"
    wait_for(
        "a second look of the sensor", lambda: len(_ticks(instance, "retrain_on_drift", InstigatorType.SENSOR)) >= 2
    )
    assert len(_asked(instance, "retrain_on_drift", "sensor_name")) == 1


def _asked(instance: dg.DagsterInstance, who: str, tag: str) -> list[dg.DagsterRun]:
    return [run for run in _runs(instance, "learn") if run.tags.get(f"dagster/{tag}") == who]


def _ticks(instance: dg.DagsterInstance, name: str, kind: InstigatorType) -> list[object]:
    states = [s for s in instance.all_instigator_state(instigator_type=kind) if s.instigator_name == name]
    return [t for s in states for t in instance.get_ticks(s.instigator_origin_id, s.selector_id) if not t.is_failure]
