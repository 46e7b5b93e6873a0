"""What the repository itself promises: one version, one set of checks, a licence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_the_changelog_begins_with_the_version_of_the_package_or_what_comes_after_it() -> None:
    versions = re.findall(r"(?m)^## \[(.+?)\]", (REPOSITORY / "CHANGELOG.md").read_text())
    assert next(version for version in versions if version != "Unreleased") == PROJECT["version"]
    assert "Unreleased" not in versions[1:]


def test_commits_are_checked_by_what_the_test_command_runs() -> None:
    linters = re.findall(r"(?m)^\t\.venv/bin/(ruff \w+|mypy|lint-imports|typos)", (REPOSITORY / "Makefile").read_text())
    (repository,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert repository["repo"] == "local", "a hook from elsewhere would be downloaded"
    assert [entry.removeprefix(".venv/bin/").split(" --")[0] for entry in entries] == linters


def test_the_licence_is_the_one_that_the_package_names() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (REPOSITORY / "LICENSE").read_text()


def test_an_error_names_a_path_by_the_module_that_spells_all_paths() -> None:
    spelled = re.compile(r"where=f?\"(data|models)/")
    found = {p.name for p in (REPOSITORY / "dagster_project").rglob("*.py") if spelled.search(p.read_text())}
    assert found == set(), "use `Paths.place`"
