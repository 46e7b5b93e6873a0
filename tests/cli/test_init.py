"""A new working root: complete, private where it must be, with and without git, and never over another."""

from __future__ import annotations

import shutil
import stat
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from support.archive import write_regions

from dagster_project.cli.init import dagster_environment, init, template
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_verdicts
from dagster_project.core.paths import Layout
from dagster_project.core.settings.settings import load_params
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_root_has_settings_regions_stages_ledger_and_private_folders(tmp_path: Path) -> None:
    layout = init(tmp_path / "root")
    assert load_params(layout.params).regions == "regions.yaml"
    assert len(load_taxonomy(layout.root / "regions.yaml").regions) == 14
    assert set(yaml.safe_load(layout.dvc_yaml.read_text())) >= {"stages"}
    assert len(load_verdicts(layout)) == 0
    assert layout.verdicts.exists()
    for folder in (layout.private, layout.inbox):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_settings_are_the_repository_s_but_for_the_regions_path(tmp_path: Path) -> None:
    layout = init(tmp_path / "root")
    ours = template("params.yaml").read_text().splitlines()
    theirs = layout.params.read_text().splitlines()
    assert [new for old, new in zip(ours, theirs, strict=True) if old != new] == [
        "regions: regions.yaml # the region classes; a path relative to the root"
    ]


def test_own_region_classes_are_taken_over(tmp_path: Path) -> None:
    layout = init(tmp_path / "root", write_regions(tmp_path / "own.yaml", ("hand", "knee")))
    assert load_taxonomy(layout.root / "regions.yaml").regions == ("hand", "knee")


def test_a_malformed_regions_file_leaves_no_root_behind(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("hand: {words: 3}")
    with pytest.raises(RayTruthError):
        init(tmp_path / "root", tmp_path / "own.yaml")
    assert not (tmp_path / "root").exists()


def test_a_root_is_never_written_over(tmp_path: Path) -> None:
    layout = init(tmp_path / "root")
    layout.params.write_text("mine")
    before = {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}
    with pytest.raises(RayTruthError, match="working root already"):
        init(tmp_path / "root")
    assert {path: path.read_bytes() for path in layout.root.rglob("*") if path.is_file()} == before


def test_a_root_begun_and_not_finished_can_be_made_again(tmp_path: Path) -> None:
    layout = init(tmp_path / "root")
    layout.params.unlink()  # it is written last
    assert init(tmp_path / "root").params.exists()


def test_dvc_keeps_silent_and_has_a_remote_that_moves_with_the_root(tmp_path: Path) -> None:
    layout = init(tmp_path / "root")
    config = ConfigParser()
    config.read(layout.root / ".dvc" / "config")
    assert config["core"].getboolean("analytics") is False
    assert config["core"]["no_scm"] == "True"
    assert str(tmp_path) not in (layout.root / ".dvc" / "config").read_text()
    shutil.move(layout.root, tmp_path / "moved")
    from dvc.repo import Repo

    with Repo(tmp_path / "moved") as repo:
        assert Path(repo.cloud.get_remote().path) == tmp_path / "moved" / ".dvc" / "remote"


def test_in_a_git_repository_dvc_works_with_git_and_nothing_private_is_tracked(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    layout = init(tmp_path)
    assert "no_scm" not in (layout.root / ".dvc" / "config").read_text()
    (layout.key).write_text("secret")
    (layout.inbox / "x.dcm").write_text("x")
    (layout.dagster_home / "runs.db").write_text("x")
    (layout.root / ".dvc" / "remote").mkdir()
    (layout.root / ".dvc" / "remote" / "blob").write_text("x")
    git(tmp_path, "add", "-A")
    tracked = git(tmp_path, "ls-files").split()
    assert {"params.yaml", "dvc.yaml", "regions.yaml", ".dvc/config"} <= set(tracked)
    for hidden in ("data/private", "data/inbox", ".dagster", ".dvc/remote", ".dvc/tmp"):
        assert not any(name.startswith(hidden) for name in tracked)


def test_dagster_s_environment_names_home_and_root_and_turns_telemetry_off(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    environment = dagster_environment(layout)
    assert environment["DAGSTER_HOME"] == str(layout.dagster_home)
    assert environment["RAYTRUTH_ROOT"] == str(tmp_path)
    assert (environment["DO_NOT_TRACK"], environment["GX_ANALYTICS_ENABLED"]) == ("1", "false")
    settings = yaml.safe_load((layout.dagster_home / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    (layout.dagster_home / "dagster.yaml").write_text("mine")
    dagster_environment(layout)
    assert (layout.dagster_home / "dagster.yaml").read_text() == "mine"
