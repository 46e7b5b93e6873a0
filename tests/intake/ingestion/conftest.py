"""A small export with a bit of everything, and a root that ingested it, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.exports import BATCH, write_mixed_export
from support.roots import settings_of, small_root

from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.root import Root


@pytest.fixture(scope="session")
def export(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The mixed export. Not to be changed: copy it first."""
    return made_once("mixed-export", lambda folder: write_mixed_export(folder / "CANARYSOURCE")) / "CANARYSOURCE"


@pytest.fixture(scope="session")
def ingested(made_once: Callable[[str, Callable[[Path], object]], Path], export: Path) -> Paths:
    """A root on which the export was ingested as BATCH. Not to be changed: use `root`."""

    def make(folder: Path) -> None:
        paths = small_root(folder)
        ingest(Root(paths, settings_of(paths)), export, BATCH)

    return Paths(made_once("ingested", make))


@pytest.fixture
def root(ingested: Paths, tmp_path: Path) -> Paths:
    """A copy of the root that ingested the export, to be changed at will."""
    shutil.copytree(ingested.root, tmp_path / "root", symlinks=True)
    return Paths(tmp_path / "root")


@pytest.fixture
def empty_root(ingested: Paths, tmp_path: Path) -> Paths:
    """A root with the same key as `ingested`, that has ingested nothing."""
    paths = Paths(tmp_path / "empty-root")
    paths.private.mkdir(parents=True, mode=0o700)
    for path in (ingested.settings, ingested.root / "regions.yaml", ingested.pseudonym_key):
        shutil.copy(path, paths.root / path.relative_to(ingested.root))
    return paths
