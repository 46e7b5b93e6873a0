"""A PACS in Dagster: nothing without one; with one, a sensor polls, an asset shows what came, the inbox takes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from support.orthanc import Orthanc
from support.pacs import configure, uid_of
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_table
from dagster_project.core.dagster_helpers import BATCHES
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import PacsSettings
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.sensors import inbox
from dagster_project.intake.pacs.assets import key_of, pacs_assets
from dagster_project.intake.pacs.incoming_batch import IncomingBatch, make_private
from dagster_project.intake.pacs.resources import Pacs
from dagster_project.intake.pacs.sensors import pacs_sensors
from dagster_project.intake.pacs.state import State
from dagster_project.intake.resources import RootResource
from dagster_project.intake.root import Root


def pacs_settings(root: Paths) -> PacsSettings:
    return settings_of(root).pacs


def test_without_a_source_there_is_no_asset_and_no_sensor(root: Paths) -> None:
    assert pacs_assets(pacs_settings(root)) == []
    assert pacs_sensors(pacs_settings(root)) == []


@pytest.mark.slow
def test_each_source_has_its_asset_and_a_sensor_that_runs(root: Paths) -> None:
    web = {"protocol": "dicomweb", "url": "https://pacs.example/dicom-web", "ca": None}
    configure(root, sources={"one": web, "two": web}, receive={"allowed": {"CR1": ["10.0.0.0/8"]}})
    sensors = {sensor.name: sensor for sensor in pacs_sensors(pacs_settings(root))}
    assert set(sensors) == {"poll_one", "poll_two", "watch_received"}
    assert {s.default_status for s in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert sensors["poll_one"].minimum_interval_seconds == 600
    script = (
        "from dagster import AssetKey\n"
        "from dagster_project.definitions import defs\n"
        "repository = defs.get_repository_def()\n"
        "keys = repository.asset_graph.get_all_asset_keys()\n"
        "named = lambda keys: [k.to_user_string() for k in keys if 'pacs' in k.path]\n"
        "inbox = repository.asset_graph.get(AssetKey('inbox')).parent_keys\n"
        "print(sorted(named(keys)), sorted(named(inbox)), sorted(s.name for s in repository.sensor_defs))"
    )
    environment = {**os.environ, "RAYTRUTH_ROOT": str(root.root)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    three = "['pacs/one', 'pacs/received', 'pacs/two']"
    assert f"{three} {three}" in done.stdout, ("the assets, and where the inbox comes from", done.stderr)
    assert all(name in done.stdout for name in sensors)


def graph_of(root: Paths) -> dg.Definitions:
    settings = pacs_settings(root)
    return dg.Definitions(assets=pacs_assets(settings), sensors=pacs_sensors(settings), resources=resources(root))


def resources(root: Paths) -> dict[str, object]:
    at = RootResource(path=str(root.root))
    return {"root": at, "pacs": Pacs(root=at)}


@pytest.mark.pacs
def test_a_poll_becomes_a_batch_that_the_inbox_sensor_asks_for_and_that_is_ingested(
    pacs: Orthanc, images: list[Path], tmp_path: Path, credentials: None
) -> None:
    root = small_root(tmp_path / "whole")
    configure(root, sources={"main": {"protocol": "dicomweb", "url": pacs.url, "ca": None}})
    pacs.add(*images[:6])
    graph = graph_of(root)
    poll, job = graph.resolve_sensor_def("poll_main"), graph.resolve_job_def("pull_main")
    with dg.instance_for_test() as instance:
        for _ in range(2):
            asked = poll.evaluate_tick(dg.build_sensor_context(instance, definitions=graph))
            assert len(asked.run_requests or []) == 1
            assert job.execute_in_process(instance=instance).success
        (looked,) = instance.fetch_observations(key_of("main"), limit=5).records
        assert looked.asset_observation
        assert looked.asset_observation.metadata["incomplete studies"].value > 0, "not settled yet"
        assert len(instance.fetch_materializations(key_of("main"), limit=5).records) == 1, (
            "of the poll that brought one"
        )
        event = instance.get_latest_materialization_event(key_of("main"))
        assert event
        assert event.asset_materialization
        shown = event.asset_materialization.metadata
        counts = {r.data["outcome"]: r.data["objects"] for r in shown["objects by outcome"].value.records}
        assert counts == {"arrived": 6}
        batch = shown["batch"].value
        told = str(instance.all_logs(instance.get_runs()[0].run_id))
        assert "CANARY" not in told
        assert not [f for f in images if uid_of(f) in told]

        first = inbox(dg.build_sensor_context(instance, resources={"root": RootResource(path=str(root.root))}))
        context = dg.build_sensor_context(
            instance, cursor=first.cursor, resources={"root": RootResource(path=str(root.root))}
        )
        (request,) = inbox(context).run_requests
        assert request.partition_key == batch
        instance.add_dynamic_partitions(BATCHES.name or "", [str(batch)])
    summary = ingest(Root(root, settings_of(root)), root.inbox / str(batch), str(batch))
    assert summary.images == 6
    assert sorted(read_table(root.identities)["sop_instance_uid"]) == pacs.uids()


@pytest.mark.slow
def test_while_a_pull_is_under_way_no_other_is_asked_for(root: Paths) -> None:
    web = {"protocol": "dicomweb", "url": "https://pacs.example/dicom-web", "ca": None}
    configure(root, sources={"main": web})
    graph = graph_of(root)
    job = graph.resolve_job_def("pull_main")
    with dg.instance_for_test() as instance:
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        tick = graph.resolve_sensor_def("poll_main").evaluate_tick(dg.build_sensor_context(instance, definitions=graph))
    assert tick.run_requests in (None, [])
    assert "is running" in (tick.skip_message or "")


def test_what_is_received_is_observed_once_when_it_changed(root: Paths, images: list[Path]) -> None:
    configure(root, receive={"allowed": {"CR1": ["10.0.0.0/8"]}})
    (watch,) = pacs_sensors(pacs_settings(root))
    with dg.instance_for_test() as instance:

        def look(cursor: str | None = None) -> SensorExecutionData:
            with dg.build_sensor_context(instance, cursor=cursor, resources=resources(root)) as context:
                return watch.evaluate_tick(context)

        assert "no new images" in (look().skip_message or "")
        make_private(root.pacs)
        state = State(root.pacs_state)
        IncomingBatch(root, "received", state, 0).keep_bytes(images[0].read_bytes(), uid_of(images[0]))
        state.close()
        tick = look()
        (seen,) = tick.asset_events
        assert seen.asset_key == key_of("received")
        (row,) = seen.metadata["objects by day"].value.records
        assert (row.data["outcome"], row.data["objects"]) == ("arrived", 1)
        assert "no new images" in (look(tick.cursor).skip_message or "")
