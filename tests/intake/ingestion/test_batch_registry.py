"""Which batch is which source: names in the open, paths in private."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.readers import PSEUDONYMS
from support.roots import where_found

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.batch_registry import (
    batch_name_for,
    forget,
    register,
    registered_batches,
    registered_source,
)
from dagster_project.intake.ingestion.headers.sources import list_files


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "root")
    paths.private.mkdir(parents=True)
    paths.inbox.mkdir()
    return paths


def source(folder: Path, content: str = "x") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CANARY.dcm").write_text(content)
    return folder


def put(paths: Paths, batch: str, folder: Path) -> None:
    register(paths, PSEUDONYMS, batch, folder, list_files(folder))


def test_a_batch_is_registered_with_its_fingerprint_in_the_open_and_its_path_in_private(
    paths: Paths, tmp_path: Path
) -> None:
    folder = source(tmp_path / "CANARYEXPORT")
    put(paths, "march", folder)
    assert registered_batches(paths) == ["march"]
    assert registered_source(paths, "march") == folder
    assert set(read_json(paths.batches)["march"]) == {"files", "fingerprint"}
    assert where_found("CANARY", paths.root, leave_out=("data/private",)) == []


def test_the_fingerprint_in_the_open_changes_with_the_source(paths: Paths, tmp_path: Path) -> None:
    put(paths, "march", source(tmp_path / "a"))
    before = paths.batches.read_text()
    put(paths, "march", tmp_path / "a")
    assert paths.batches.read_text() == before
    put(paths, "march", source(tmp_path / "a", "longer"))
    assert paths.batches.read_text() != before


def test_a_name_stays_with_its_source_however_the_path_is_spelt(paths: Paths, tmp_path: Path) -> None:
    folder = source(tmp_path / "a")
    put(paths, "march", folder)
    (tmp_path / "link").symlink_to(folder)
    put(paths, "march", tmp_path / "link")
    put(paths, "march", folder / ".." / "a")
    with pytest.raises(RayTruthError, match="already used"):
        put(paths, "march", source(tmp_path / "b"))
    assert registered_source(paths, "march") == folder


def test_a_source_keeps_its_name_and_a_new_one_gets_the_next_free(paths: Paths, tmp_path: Path) -> None:
    one, other = source(tmp_path / "a"), source(tmp_path / "b")
    assert batch_name_for(paths, one) == "batch-001"
    put(paths, "batch-001", one)
    assert batch_name_for(paths, other) == "batch-002"
    put(paths, "march", other)
    assert [batch_name_for(paths, folder) for folder in (one, other)] == ["batch-001", "march"]


def test_a_forgotten_name_is_free_again(paths: Paths, tmp_path: Path) -> None:
    put(paths, "march", source(tmp_path / "a"))
    put(paths, "april", source(tmp_path / "b"))
    forget(paths, "march")
    forget(paths, "never heard of")
    assert registered_batches(paths) == ["april"]
    put(paths, "march", source(tmp_path / "c"))
    assert registered_source(paths, "march") == tmp_path / "c"


def test_a_folder_of_the_inbox_is_a_source_by_its_name(paths: Paths) -> None:
    folder = source(paths.inbox / "april")
    assert registered_source(paths, "april") == folder


def test_no_such_batch_and_a_source_that_is_gone_are_told_apart(paths: Paths, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="No such batch"):
        registered_source(paths, "march")
    folder = source(tmp_path / "CANARYEXPORT")
    put(paths, "march", folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(RayTruthError, match="cannot be reached") as error:
        registered_source(paths, "march")
    assert "CANARY" not in str(error.value)


def test_a_root_without_batches_has_none(paths: Paths) -> None:
    assert registered_batches(paths) == []
