"""A validation is kept, goes stale with the headers, makes pages, and decides what is trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.good_batches import BATCH, ROWS, put_good_batch
from support.roots import settings_of

from dagster_project.core.atomic_io import content_hash, read_json, read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.intake.validation.expectations import EXPECTATIONS
from dagster_project.intake.validation.validate import Validation, load_validation, validate


@pytest.fixture
def root(good_root: Paths, tmp_path: Path) -> Paths:
    return Paths(Path(shutil.copytree(good_root.root, tmp_path / "root", symlinks=True)))


def run(paths: Paths, batch: str = BATCH) -> Validation:
    return validate(Root(paths, settings_of(paths)), batch)


def set_first(paths: Paths, column: str, value: object, batch: str = BATCH) -> None:
    """Put a value into the first row of the batch's headers."""
    table = read_table(paths.headers(batch))
    table.loc[0, column] = value
    write_table(paths.headers(batch), table)


@pytest.mark.slow
def test_a_good_batch_passes_and_its_result_and_pages_are_kept(root: Paths) -> None:
    found = run(root)
    assert [check.name for check in found.checks] == [e.name for e in EXPECTATIONS]
    assert all(check.passed and not check.unexpected and not check.message for check in found.checks)
    assert found.blocked_by == []
    assert load_validation(root, BATCH) == found
    assert read_json(root.validation(BATCH))["headers"] == content_hash(root.headers(BATCH))
    pages = list((root.data_docs / BATCH).rglob("*.html"))
    assert (root.data_docs / BATCH / "index.html") in pages
    shown = "".join(page.read_text() for page in pages)
    for column in ("image_id", "header_region", "kvp"):
        assert column in shown


@pytest.mark.slow
def test_the_same_table_gives_the_same_result_and_the_pages_are_replaced(root: Paths) -> None:
    run(root)
    before = root.validation(BATCH).read_bytes()
    (root.data_docs / BATCH / "old.html").touch()
    run(root)
    assert root.validation(BATCH).read_bytes() == before
    assert not (root.data_docs / BATCH / "old.html").exists()


def test_a_batch_that_nobody_validated_has_no_validation_and_an_unknown_one_is_an_error(root: Paths) -> None:
    root.validation(BATCH).unlink()
    assert load_validation(root, BATCH) is None
    with pytest.raises(RayTruthError, match="No such batch") as error:
        run(root, "april")
    assert "april" in str(error.value)
    assert not root.validation("april").exists()


@pytest.mark.slow
def test_what_a_failed_check_says_depends_on_the_settings(root: Paths) -> None:
    strict = settings_of(root).model_copy(
        update={"validation": settings_of(root).validation.model_copy(update={"min_side": 65})}
    )
    found = {check.name: check for check in validate(Root(root, strict), BATCH).checks}
    assert [found[name].unexpected for name in ("rows_within_bounds", "columns_within_bounds")] == [ROWS, ROWS]


@pytest.mark.slow
def test_the_training_set_takes_a_batch_only_while_its_latest_blocking_checks_pass(root: Paths) -> None:
    put_good_batch(root, "april", seed=2)
    for batch in (BATCH, "april"):
        run(root, batch)
    assert build_training_set(Root(root, settings_of(root))).refused == {}

    set_first(root, "patient", "no pseudonym")  # the validation is stale now
    assert load_validation(root, BATCH) is None
    summary = build_training_set(Root(root, settings_of(root)))
    assert "not validated in its current state" in summary.refused[BATCH]
    assert set(load_training_set(root)["batch"]) == {"april"}

    assert run(root).blocked_by == ["patient_is_a_pseudonym"]
    summary = build_training_set(Root(root, settings_of(root)))
    assert summary.refused == {BATCH: "blocking checks failed: patient_is_a_pseudonym"}
    assert (summary.images, set(load_training_set(root)["batch"])) == (ROWS, {"april"})

    set_first(root, "kvp", 900.0, "april")
    run(root, "april")  # fails a check that does not block
    assert set(build_training_set(Root(root, settings_of(root))).refused) == {BATCH}


@pytest.mark.slow
def test_with_every_batch_blocked_there_is_no_training_set(root: Paths) -> None:
    set_first(root, "batch", "another")
    run(root)
    with pytest.raises(RayTruthError, match="batch_is_this_one"):
        build_training_set(Root(root, settings_of(root)))
    assert not root.training_set.exists()
