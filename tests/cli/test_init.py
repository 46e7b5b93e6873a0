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
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_root_has_settings_regions_stages_ledger_and_private_folders(tmp_path: Path) -> None:
    paths = init(tmp_path / "root")
    assert load_settings(paths.settings).regions == "regions.yaml"
    assert len(load_taxonomy(paths.root / "regions.yaml").regions) == 14
    assert set(yaml.safe_load(paths.dvc_yaml.read_text())) >= {"stages"}
    assert len(load_verdicts(paths)) == 0
    assert paths.verdicts.exists()
    for folder in (paths.private, paths.inbox):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_settings_are_the_repository_s_but_for_the_regions_path(tmp_path: Path) -> None:
    paths = init(tmp_path / "root")
    ours = template("params.yaml").read_text().splitlines()
    theirs = paths.settings.read_text().splitlines()
    assert [new for old, new in zip(ours, theirs, strict=True) if old != new] == [
        "regions: regions.yaml # the region classes; a path relative to the root"
    ]


def test_own_region_classes_are_taken_over(tmp_path: Path) -> None:
    paths = init(tmp_path / "root", write_regions(tmp_path / "own.yaml", ("hand", "knee")))
    assert load_taxonomy(paths.root / "regions.yaml").regions == ("hand", "knee")


def test_a_malformed_regions_file_leaves_no_root_behind(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("hand: {words: 3}")
    with pytest.raises(RayTruthError):
        init(tmp_path / "root", tmp_path / "own.yaml")
    assert not (tmp_path / "root").exists()


def test_a_root_is_never_written_over(tmp_path: Path) -> None:
    paths = init(tmp_path / "root")
    paths.settings.write_text("mine")
    before = {path: path.read_bytes() for path in paths.root.rglob("*") if path.is_file()}
    with pytest.raises(RayTruthError, match="working root already"):
        init(tmp_path / "root")
    assert {path: path.read_bytes() for path in paths.root.rglob("*") if path.is_file()} == before


def test_a_root_begun_and_not_finished_can_be_made_again(tmp_path: Path) -> None:
    paths = init(tmp_path / "root")
    paths.settings.unlink()  # it is written last
    assert init(tmp_path / "root").settings.exists()


def test_dvc_keeps_silent_and_has_a_remote_that_moves_with_the_root(tmp_path: Path) -> None:
    paths = init(tmp_path / "root")
    config = ConfigParser()
    config.read(paths.root / ".dvc" / "config")
    assert config["core"].getboolean("analytics") is False
    assert config["core"]["no_scm"] == "True"
    assert str(tmp_path) not in (paths.root / ".dvc" / "config").read_text()
    shutil.move(paths.root, tmp_path / "moved")
    from dvc.repo import Repo

    with Repo(tmp_path / "moved") as repo:
        assert Path(repo.cloud.get_remote().path) == tmp_path / "moved" / ".dvc" / "remote"


@pytest.mark.slow
def test_in_a_git_repository_dvc_works_with_git_and_nothing_private_is_tracked(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    paths = init(tmp_path)
    assert "no_scm" not in (paths.root / ".dvc" / "config").read_text()
    paths.pseudonym_key.write_text("secret")
    (paths.inbox / "x.dcm").write_text("x")
    (paths.dagster_home / "runs.db").write_text("x")
    (paths.root / ".dvc" / "remote").mkdir()
    (paths.root / ".dvc" / "remote" / "blob").write_text("x")
    git(tmp_path, "add", "-A")
    tracked = git(tmp_path, "ls-files").split()
    assert {"params.yaml", "dvc.yaml", "regions.yaml", ".dvc/config"} <= set(tracked)
    for hidden in ("data/private", "data/inbox", ".dagster", ".dvc/remote", ".dvc/tmp"):
        assert not any(name.startswith(hidden) for name in tracked)


def test_dagster_s_environment_names_home_and_root_and_turns_telemetry_off(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    environment = dagster_environment(paths)
    assert environment["DAGSTER_HOME"] == str(paths.dagster_home)
    assert environment["RAYTRUTH_ROOT"] == str(tmp_path)
    assert (environment["DO_NOT_TRACK"], environment["GX_ANALYTICS_ENABLED"]) == ("1", "false")
    settings = yaml.safe_load((paths.dagster_home / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    (paths.dagster_home / "dagster.yaml").write_text("mine")
    dagster_environment(paths)
    assert (paths.dagster_home / "dagster.yaml").read_text() == "mine"
