"""A root of before version 0.2.0: what can be renamed is, and what must be made again is said."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.commands import raytruth
from support.roots import small_root
from support.tables import check, declared
from support.whole_chain import with_one_encoder

from dagster_project.cli.init import template
from dagster_project.cli.migrate import migrated
from dagster_project.core.atomic_io import read_json, read_table, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.settings.migration import migrate_settings
from dagster_project.core.settings.settings import load_settings
from dagster_project.core.table_migration import SET_ASIDE
from dagster_project.intake.pacs.state import State

ROOT_0_1_0 = Path(__file__).parent / "data" / "root_0_1_0"
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


@pytest.mark.slow
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
    assert "0 entries chained" in done.stdout


@pytest.mark.slow
def test_a_second_run_changes_nothing_and_unusable_settings_are_named(old: Paths) -> None:
    old.settings.write_text(old.settings.read_text().replace("batch_images:", "batch_imagse:"))
    raytruth("--root", str(old.root), "migrate")
    before = {path: path.read_bytes() for path in old.root.rglob("*") if path.is_file()}
    done = raytruth("--root", str(old.root), "migrate")
    assert done.returncode == 0
    assert "pacs.batch_imagse: unknown key; did you mean batch_images?" in done.stdout
    assert {path: path.read_bytes() for path in old.root.rglob("*") if path.is_file()} == before


@pytest.fixture
def root_0_1_0(tmp_path: Path) -> Paths:
    """A few rows of a root that version 0.1.0 wrote, with what it made of models."""
    paths = Paths(tmp_path / "old")
    shutil.copytree(ROOT_0_1_0, paths.root)
    write_json(paths.champion, {"model": "m"})
    return paths


@pytest.mark.slow
def test_a_root_of_version_0_1_0_has_the_tables_and_settings_of_today(root_0_1_0: Paths) -> None:
    with pytest.raises(RayTruthError, match="cannot use"):
        load_settings(root_0_1_0.settings)
    old = {path: pd.read_parquet(path) for path in root_0_1_0.root.rglob("*.parquet")}
    done = raytruth("--root", str(root_0_1_0.root), "migrate")
    assert done.returncode == 0, done.stderr
    settings = load_settings(root_0_1_0.settings)
    assert (settings.ingestion.image_size, settings.validation.max_ambiguous_label) == (256, 0.3)
    quick = settings.profiles["quick"]
    assert (quick.input_size, quick.batch_size, quick.methods["supcon"]["projection_dim"]) == (64, 64, 128)
    assert (quick.methods["crossfit"]["epochs"], quick.methods["crossfit"]["temperature"]) == (30, 0.1)
    assert "a multiple of 32" in root_0_1_0.settings.read_text(), "comments are kept"
    for path in sorted(root_0_1_0.root.rglob("*.parquet")):
        if SET_ASIDE not in path.parts:
            check(path, declared(path.relative_to(root_0_1_0.root).as_posix()), ())
            assert len(pd.read_parquet(path)) == len(old[path])
    headers = pd.read_parquet(root_0_1_0.headers("batch-001"))
    before = old[root_0_1_0.headers("batch-001")]
    pd.testing.assert_series_equal(headers["header_region"], before["label_region"], check_names=False)
    assert set(headers["label_status"]) == {"region", "missing"}
    assert "missing_label" in ";".join(pd.read_parquet(root_0_1_0.quarantine("batch-001"))["reason"])
    assert not root_0_1_0.champion.exists()
    assert (root_0_1_0.root / SET_ASIDE / "models" / "champion.json").exists()
    for name in ("data/judgements.parquet", "data/predictions"):
        assert f"moved to {SET_ASIDE}/: {name}" in done.stdout


def test_values_and_profiles_of_a_site_are_kept_and_unknown_settings_named(root_0_1_0: Paths) -> None:
    text = root_0_1_0.settings.read_text()
    text = text.replace("side: 256", "side: 512").replace("profile: quick", "profile: own", 1)
    text = text.replace("  quick: # two cores", "  own: # two cores").replace("sources: {}", "sources: { a: { b: 1 } }")
    root_0_1_0.settings.write_text(text.replace("seed: 20412", "seed: 7\ncolour: red"))
    done = migrate_settings(root_0_1_0.settings, template("params.yaml"))
    assert done.renamed > 15
    assert done.unknown == ["colour"]
    values = yaml.safe_load(root_0_1_0.settings.read_text())
    assert (values["seed"], values["profile"], values["ingestion"]["image_size"]) == (7, "own", 512)
    assert values["profiles"]["own"]["methods"]["byol"]["hidden_dim"] == 512
    assert values["pacs"]["sources"] == {"a": {"b": 1}}
    assert yaml.safe_load((root_0_1_0.root / done.kept).read_text())["colour"] == "red"


def test_migrated_twice_a_root_is_as_migrated_once(root_0_1_0: Paths) -> None:
    list(migrated(root_0_1_0))
    before = {path: path.read_bytes() for path in root_0_1_0.root.rglob("*") if path.is_file()}
    lines = list(migrated(root_0_1_0))
    assert "params.yaml: 0 settings renamed, 0 added" in lines
    assert "dvc.yaml: 0 stages added" in lines
    assert {path: path.read_bytes() for path in root_0_1_0.root.rglob("*") if path.is_file()} == before


def test_a_table_of_version_0_1_0_is_refused_with_what_to_do(root_0_1_0: Paths) -> None:
    with pytest.raises(RayTruthError, match="older version") as error:
        read_table(root_0_1_0.headers("batch-001"), ["header_region"])
    assert error.value.do == "run `raytruth migrate`"


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "profiles:\ningestion: 3\n"])
def test_a_params_yaml_that_is_no_mapping_is_named_and_left_as_it_is(root_0_1_0: Paths, text: str) -> None:
    root_0_1_0.settings.write_text(text)
    lines = list(migrated(root_0_1_0))
    assert any(line.startswith("to do: params.yaml") for line in lines), lines
    assert root_0_1_0.settings.read_text() == text


def test_settings_and_stages_that_came_later_are_added_and_the_site_s_own_kept(tmp_path: Path) -> None:
    paths = small_root(tmp_path / "root")
    with_one_encoder(paths)
    settings, pipeline = yaml.safe_load(paths.settings.read_text()), yaml.safe_load(paths.dvc_yaml.read_text())
    settings["profiles"]["mine"] = {**settings["profiles"]["quick"], "width": 16, "methods": {}}
    paths.settings.write_text(yaml.safe_dump(settings))
    wanted = load_settings(paths.settings)
    assert "dvc.yaml: 0 stages added" in list(migrated(paths)), "a method that is not used needs no stage"
    del settings["orientation"], settings["profiles"]["quick"]["architecture"]
    del settings["profiles"]["mine"]["initial_weights"], pipeline["stages"]["orientation"]
    paths.settings.write_text(yaml.safe_dump(settings))
    paths.dvc_yaml.write_text(yaml.safe_dump(pipeline))
    with pytest.raises(RayTruthError, match="cannot use"):
        load_settings(paths.settings)

    lines = list(migrated(paths))
    assert load_settings(paths.settings) == wanted
    assert paths.dvc_yaml.read_text() == template("dvc.yaml").read_text()
    assert any(line.startswith("to do: take into dvc.yaml") for line in lines), lines
    for file, before in ((paths.settings, settings), (paths.dvc_yaml, pipeline)):
        (kept,) = paths.root.glob(f"{file.stem}.before-migration-*.yaml")
        assert yaml.safe_load(kept.read_text()) == before
        assert any(kept.name in line for line in lines), lines
    paths.settings.write_text(yaml.safe_dump(settings))
    list(migrated(paths))
    assert len(list(paths.root.glob("params.before-migration-*.yaml"))) == 2, "an older file is not lost"


@pytest.mark.parametrize("content", [b"stages: [", b"\xff\xfe", b"- a\n", b""])
def test_a_dvc_yaml_that_cannot_be_read_is_kept_and_replaced(tmp_path: Path, content: bytes) -> None:
    paths = small_root(tmp_path / "root")
    paths.dvc_yaml.write_bytes(content)
    list(migrated(paths))
    assert paths.dvc_yaml.read_text() == template("dvc.yaml").read_text()
    (kept,) = paths.root.glob("dvc.before-migration-*.yaml")
    assert kept.read_bytes() == content
