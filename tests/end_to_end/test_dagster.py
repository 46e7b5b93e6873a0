"""The same chain by Dagster's jobs, as the demonstration runs them: results, versions, images and checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from support.demonstration import Demonstration

from dagster_project.core.paths import Paths
from dagster_project.label_quality.review.cards import load_worklist

pytestmark = pytest.mark.slow
LAST = "south"  # the batch that came last


@pytest.fixture(scope="module")
def instance(demonstration: Demonstration) -> dg.DagsterInstance:
    os.environ["DAGSTER_HOME"] = str(demonstration.paths.dagster_home)
    yield dg.DagsterInstance.get()
    os.environ.pop("DAGSTER_HOME")


def test_every_asset_is_materialized_with_metadata(instance: dg.DagsterInstance) -> None:
    from test_definitions import GRAPH

    for name in set(GRAPH) - {"inbox", "verdicts"}:  # these are observed
        event = instance.get_latest_materialization_event(dg.AssetKey(name))
        assert event is not None, name
        assert event.asset_materialization.metadata, name


def test_images_and_tables_stand_in_the_metadata(instance: dg.DagsterInstance) -> None:
    def shown(asset: str, name: str) -> object:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        return event.asset_materialization.metadata[name]

    for asset, name in [
        ("radiograph_pixels", "montage"),
        ("encoder_simclr", "loss"),
        ("linear_evaluation", "confusion"),
        ("linear_evaluation", "embedding map"),
        ("ensemble", "confusion"),
        ("shortcut_audit", "perturbations chart"),
        ("shortcut_audit", "attribute probes chart"),
        ("shortcut_audit", "examples"),
        ("label_errors", "most suspicious"),
        ("batch_predictions", "least confident"),
    ]:
        assert "data:image/png;base64," in shown(asset, name).value, (asset, name)
    assert len(shown("training_set", "images by region and split").records) >= 10


def test_every_check_has_a_result_for_the_batch(instance: dg.DagsterInstance) -> None:
    from dagster_project.intake.validation.expectations import EXPECTATIONS

    for e in EXPECTATIONS:
        key = dg.AssetCheckKey(dg.AssetKey("radiograph_headers"), e.name)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.status.value == "SUCCEEDED", e.name
    gate = dg.AssetCheckKey(dg.AssetKey("champion"), "challenger_does_not_lose")
    assert instance.event_log_storage.get_asset_check_execution_history(gate, limit=1)


def test_data_versions_are_dvcs_hashes(instance: dg.DagsterInstance, demonstration: Demonstration) -> None:
    locked = yaml.safe_load((demonstration.paths.root / "dvc.lock").read_text())["stages"]
    of_path = {out["path"]: out["md5"] for stage in locked.values() for out in stage["outs"]}
    for asset, path in {
        "training_set": "data/training_set.parquet",
        "encoder_simclr": "models/encoder_simclr",
        "ensemble": "models/ensemble",
        "champion": "models/champion.json",
        "label_errors": "data/label_errors.parquet",
    }.items():
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event.asset_materialization.tags["dagster/data_version"] == of_path[path], asset
    import hashlib

    event = instance.get_latest_materialization_event(dg.AssetKey("radiograph_headers"))
    md5 = hashlib.md5(demonstration.paths.headers(LAST).read_bytes(), usedforsecurity=False).hexdigest()
    assert event.asset_materialization.tags["dagster/data_version"] == md5


def test_dvc_status_is_clean_and_repro_skips(demonstration: Demonstration) -> None:
    root = demonstration.before_south.root
    for words, said in [(("status",), "up to date"), (("repro",), "up to date")]:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words], cwd=root, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
        assert "Running stage" not in done.stdout


def test_repro_after_a_changed_setting_runs_only_what_depends_on_it(
    demonstration: Demonstration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Paths(tmp_path / "copy")
    shutil.copytree(demonstration.before_south.root, copy.root, symlinks=True)
    copy.settings.write_text(copy.settings.read_text().replace("worklist_length: 300", "worklist_length: 5"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], cwd=copy.root, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    ran = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")]
    assert ran == ["label_errors", "review_worklist"]
    assert len(load_worklist(copy).cards) == 5
