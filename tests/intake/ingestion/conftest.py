"""A small export with a bit of everything, and a root that ingested it, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.exports import BATCH, write_mixed_export
from support.roots import params_of, small_root

from dagster_project.core.paths import Layout
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.root import Root


@pytest.fixture(scope="session")
def export(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The mixed export. Not to be changed: copy it first."""
    return made_once("mixed-export", lambda folder: write_mixed_export(folder / "CANARYSOURCE")) / "CANARYSOURCE"


@pytest.fixture(scope="session")
def ingested(made_once: Callable[[str, Callable[[Path], object]], Path], export: Path) -> Layout:
    """A root on which the export was ingested as BATCH. Not to be changed: use `root`."""

    def make(folder: Path) -> None:
        layout = small_root(folder)
        ingest(Root(layout, params_of(layout)), export, BATCH)

    return Layout(made_once("ingested", make))


@pytest.fixture
def root(ingested: Layout, tmp_path: Path) -> Layout:
    """A copy of the root that ingested the export, to be changed at will."""
    shutil.copytree(ingested.root, tmp_path / "root", symlinks=True)
    return Layout(tmp_path / "root")


@pytest.fixture
def empty_root(ingested: Layout, tmp_path: Path) -> Layout:
    """A root with the same key as `ingested`, that has ingested nothing."""
    layout = Layout(tmp_path / "empty-root")
    layout.private.mkdir(parents=True, mode=0o700)
    for path in (ingested.params, ingested.root / "regions.yaml", ingested.key):
        shutil.copy(path, layout.root / path.relative_to(ingested.root))
    return layout
