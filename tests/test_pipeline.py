"""One table of stages: Dagster, DVC and the command line do what it says."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import dagster as dg
import pytest
import yaml
from support.commands import COMMANDS

from dagster_project.cli.init import template
from dagster_project.core.jobs import JOBS
from dagster_project.core.settings.settings import load_settings
from dagster_project.pipeline import Stage, stages

REPOSITORY = Path(__file__).parents[1]
TABLE = {stage.name: stage for stage in stages(load_settings(template("params.yaml")))}
DVC = yaml.safe_load(template("dvc.yaml").read_text(encoding="utf-8"))["stages"]
OBSERVED = {"inbox", "verdicts"}  # made by people and by the archive, by no stage


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    os.environ["RAYTRUTH_ROOT"] = str(REPOSITORY)
    from dagster_project.definitions import defs

    os.environ.pop("RAYTRUTH_ROOT")
    return defs


def each_stage(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, TABLE.values(), ids=TABLE)


@each_stage("stage")
def test_an_asset_comes_from_the_stage_s_inputs(stage: Stage, defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    parents = {parent.to_user_string() for a in stage.assets for parent in graph.get(dg.AssetKey(a)).parent_keys}
    if stage.assets:
        assert parents - set(stage.assets) == set(stage.inputs)
    else:
        assert set(stage.inputs) <= {asset for other in TABLE.values() for asset in other.assets}


def test_each_asset_is_made_by_one_stage_and_each_job_runs_just_its_stages(defs: dg.Definitions) -> None:
    made = [asset for stage in TABLE.values() for asset in stage.assets]
    assert sorted(made) == sorted(set(made))
    assert {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()} == set(made) | OBSERVED
    for job in JOBS:
        selected = {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}
        assert selected == {asset for stage in TABLE.values() if stage.job == job for asset in stage.assets}


def test_dvc_has_the_same_stages_and_commands() -> None:
    assert {name: stage["cmd"] for name, stage in DVC.items()} == {
        name: f"raytruth {stage.command}" for name, stage in TABLE.items()
    }


def paths_of(entries: list[str | dict[str, object]]) -> list[str]:
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


@each_stage("stage")
def test_what_dvc_hands_a_stage_comes_from_its_inputs_or_theirs(stage: Stage) -> None:
    made_by = {
        path: name
        for name, other in DVC.items()
        for kind in ("outs", "metrics")
        for path in paths_of(other.get(kind, []))
    }
    before, todo = set(), {stage.name}
    while todo:
        name = todo.pop()
        nearest = {o.name for o in TABLE.values() if set(o.assets) & set(TABLE[name].inputs)} - before
        before |= nearest
        todo |= nearest
    for dep in paths_of(DVC[stage.name].get("deps", [])):
        makers = {name for path, name in made_by.items() if dep == path or path.startswith(f"{dep}/")}
        assert makers <= before | {"metadata_checks"}, dep


@each_stage("stage")
def test_a_stage_is_a_command_and_a_function_that_takes_the_root(stage: Stage) -> None:
    assert stage.command.split()[0] in COMMANDS
    if hasattr(stage.run, "function"):
        module = __import__(f"dagster_project.{stage.run.module}", fromlist=[stage.run.function])
        first, *others = inspect.signature(getattr(module, stage.run.function)).parameters
        assert first == ("paths" if stage.run.of_paths else "root")
        assert others[:1] == (["batch"] if stage.job != "learn" else [])
