"""A root of before version 0.2.0: what can be renamed is, and what must be made again is said."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from support.commands import raytruth
from support.roots import small_root

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.pacs.state import State

OLD_LEDGER = Path(__file__).parents[1] / "core" / "data" / "ledger_schema_1.parquet"


@pytest.fixture
def old(tmp_path: Path) -> Paths:
    paths = small_root(tmp_path / "root")
    shutil.copyfile(OLD_LEDGER, paths.verdicts)
    (paths.worklist / "pictures").mkdir(parents=True)
    (paths.worklist / "pictures" / "a.jpg").write_bytes(b"")
    card = {"image_id": "a", "given": "hand", "proposed": "knee", "score": 0.25, "kind": "wrong_label", "rank": 1}
    write_json(paths.worklist / "cards.json", {"model": "m", "data_version": "d", "cards": [card]})
    paths.pacs.mkdir(parents=True)
    with sqlite3.connect(paths.pacs_state) as db:
        db.execute("CREATE TABLE pictures (picture TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID")
        db.execute("INSERT INTO pictures VALUES ('p', 'd')")
    (paths.root / "data" / "judgements.parquet").write_bytes(b"")
    return paths


def test_ledger_cards_and_the_pacs_record_are_brought_over_and_the_rest_is_named(old: Paths) -> None:
    with pytest.raises(RayTruthError, match="older version") as error:
        State(old.pacs_state)
    assert "raytruth migrate" in error.value.do
    entries = len(load_verdicts(old))
    done = raytruth("--root", str(old.root), "migrate")
    assert done.returncode == 0, done.stderr
    assert len(load_verdicts(old)) == entries > 0
    (card,) = read_json(old.worklist / "cards.json")["cards"]
    assert (card["given_region"], card["proposed_region"], card["error_probability"]) == ("hand", "knee", 0.75)
    assert (old.worklist / "images" / "a.jpg").exists()
    state = State(old.pacs_state)
    assert state.knows("p")
    state.close()
    assert "remove data/judgements.parquet and run `raytruth find-errors`" in done.stdout
    assert "0 entries chained" in done.stdout


def test_a_second_run_changes_nothing_and_unknown_settings_are_named(old: Paths) -> None:
    old.settings.write_text(old.settings.read_text().replace("batch_images:", "batch_pictures:"))
    raytruth("--root", str(old.root), "migrate")
    before = {path: path.read_bytes() for path in old.root.rglob("*") if path.is_file()}
    done = raytruth("--root", str(old.root), "migrate")
    assert done.returncode == 0
    assert "pacs.batch_pictures: unknown key; did you mean batch_images?" in done.stdout
    assert {path: path.read_bytes() for path in old.root.rglob("*") if path.is_file()} == before
