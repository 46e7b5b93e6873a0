"""Which batch is which source: names in the open, paths in private."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.readers import PSEUDONYMS
from support.roots import where_found

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Layout
from dagster_project.intake.ingestion.batch.batch_registry import (
    batch_name_for,
    forget,
    register,
    registered_batches,
    registered_source,
)
from dagster_project.intake.ingestion.headers.sources import list_files


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "root")
    layout.private.mkdir(parents=True)
    layout.inbox.mkdir()
    return layout


def source(folder: Path, content: str = "x") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CANARY.dcm").write_text(content)
    return folder


def put(layout: Layout, batch: str, folder: Path) -> None:
    register(layout, PSEUDONYMS, batch, folder, list_files(folder))


def test_a_batch_is_registered_with_its_fingerprint_in_the_open_and_its_path_in_private(
    layout: Layout, tmp_path: Path
) -> None:
    folder = source(tmp_path / "CANARYEXPORT")
    put(layout, "march", folder)
    assert registered_batches(layout) == ["march"]
    assert registered_source(layout, "march") == folder
    assert set(read_json(layout.batches)["march"]) == {"files", "fingerprint"}
    assert where_found("CANARY", layout.root, leave_out=("data/private",)) == []


def test_the_fingerprint_in_the_open_changes_with_the_source(layout: Layout, tmp_path: Path) -> None:
    put(layout, "march", source(tmp_path / "a"))
    before = layout.batches.read_text()
    put(layout, "march", tmp_path / "a")
    assert layout.batches.read_text() == before
    put(layout, "march", source(tmp_path / "a", "longer"))
    assert layout.batches.read_text() != before


def test_a_name_stays_with_its_source_however_the_path_is_spelt(layout: Layout, tmp_path: Path) -> None:
    folder = source(tmp_path / "a")
    put(layout, "march", folder)
    (tmp_path / "link").symlink_to(folder)
    put(layout, "march", tmp_path / "link")
    put(layout, "march", folder / ".." / "a")
    with pytest.raises(RayTruthError, match="already used"):
        put(layout, "march", source(tmp_path / "b"))
    assert registered_source(layout, "march") == folder


def test_a_source_keeps_its_name_and_a_new_one_gets_the_next_free(layout: Layout, tmp_path: Path) -> None:
    one, other = source(tmp_path / "a"), source(tmp_path / "b")
    assert batch_name_for(layout, one) == "batch-001"
    put(layout, "batch-001", one)
    assert batch_name_for(layout, other) == "batch-002"
    put(layout, "march", other)
    assert [batch_name_for(layout, folder) for folder in (one, other)] == ["batch-001", "march"]


def test_a_forgotten_name_is_free_again(layout: Layout, tmp_path: Path) -> None:
    put(layout, "march", source(tmp_path / "a"))
    put(layout, "april", source(tmp_path / "b"))
    forget(layout, "march")
    forget(layout, "never heard of")
    assert registered_batches(layout) == ["april"]
    put(layout, "march", source(tmp_path / "c"))
    assert registered_source(layout, "march") == tmp_path / "c"


def test_a_folder_of_the_inbox_is_a_source_by_its_name(layout: Layout) -> None:
    folder = source(layout.inbox / "april")
    assert registered_source(layout, "april") == folder


def test_no_such_batch_and_a_source_that_is_gone_are_told_apart(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="No such batch"):
        registered_source(layout, "march")
    folder = source(tmp_path / "CANARYEXPORT")
    put(layout, "march", folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(RayTruthError, match="cannot be reached") as error:
        registered_source(layout, "march")
    assert "CANARY" not in str(error.value)


def test_a_root_without_batches_has_none(layout: Layout) -> None:
    assert registered_batches(layout) == []
