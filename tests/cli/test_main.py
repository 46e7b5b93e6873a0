"""The command line as people meet it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import COMMANDS, raytruth
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.errors import RayTruthError


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"Example: raytruth .*\b{command}\b", " ".join(shown.output.split()))


def test_the_commands_are_those_of_the_design() -> None:
    assert {
        *("init", "phantom", "ingest", "validate", "build-training-set", "pretrain", "evaluate", "ensemble", "promote"),
        *("find-errors", "review", "predict-folder", "export-onnx", "migrate", "monitor", "export-corrections", "run"),
    } <= set(COMMANDS)


def test_help_waits_for_no_slow_library() -> None:
    script = (
        "import sys\nfrom dagster_project.cli.main import app\n"
        "print(sorted({'torch', 'dagster', 'pandas', 'dvc', 'evidently'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_that_is_no_root_is_named_with_what_to_do(tmp_path: Path) -> None:
    done = raytruth("--root", str(tmp_path), "build-training-set")
    assert done.returncode == 1
    assert "There is no params.yaml here" in done.stderr
    assert "raytruth init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_root_may_stand_before_or_after_the_command_and_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYTRUTH_ROOT", str(tmp_path / "environment"))
    for words in (["--root", str(tmp_path / "given"), "evaluate"], ["evaluate", "--root", str(tmp_path / "given")]):
        done = raytruth(*words)
        assert str(tmp_path / "given") in done.stderr.replace("\n", "")
    assert str(tmp_path / "environment") in raytruth("build-training-set").stderr.replace("\n", "")


def test_an_unknown_option_is_answered_with_the_nearest_one_and_status_2() -> None:
    done = raytruth("validate", "--rooot", "x")
    assert done.returncode == 2
    assert "--root" in done.stderr


def test_an_error_says_what_where_and_what_to_do() -> None:
    assert (
        str(RayTruthError("It broke", where="here", do="mend it")) == "It broke\n  where: here\n  what to do: mend it"
    )
