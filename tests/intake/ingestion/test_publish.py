"""Publishing: a process that dies at any point leaves a whole batch or none, and the next call makes it good."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dagster_project.core.atomic_io import content_hash, read_table, write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch import publish as publishing
from dagster_project.intake.ingestion.batch.publish import clear_staging, is_published, publish, stage, start_staging
from dagster_project.intake.ingestion.batch.store import ingested_batches, load_headers, open_pixels

NEW, OLD = "new", "old"
MOVES = 11  # at most this many files are moved into place while a batch is published


class Full(OSError):
    """The disk is full."""


def tables_of(batch: str, stored: list[str]) -> dict[str, pd.DataFrame]:
    ids = pd.array([f"{batch}-{image}" for image in stored], "string")
    own = pd.array([batch] * len(stored), "string")
    return {
        "headers": pd.DataFrame({"image_id": ids, "batch": own}),
        "identities": pd.DataFrame({"image_id": ids, "batch": own}),
        "identifiers": pd.DataFrame({"kind": ids, "value": ids, "batch": own}),
        "label_texts": pd.DataFrame({"image_id": ids, "attribute": own, "batch": own}),
        "patient_evidence": pd.DataFrame({"patient": ids}),
        "files": pd.DataFrame({"file_id": ids, "batch": own}),
        "quarantine": pd.DataFrame({"file_id": ids}),
    }


def blocks_of(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (table[row : row + 2] for row in range(0, len(table) or 1, 2))


def put(paths: Paths, batch: str, stored: list[str], work: str = "work") -> None:
    """Stage a batch of images that are filled with their number, each table in blocks of two rows."""
    start_staging(paths, batch, work)
    tables = {name: blocks_of(table) for name, table in tables_of(batch, stored).items()}
    images = np.array([int(image) for image in stored], np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
    stage(paths, batch, work, tables, {"batch": batch}, partial(np.save, arr=images))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with one batch published and the next version of it, and another batch, staged."""
    paths = Paths(tmp_path / "root")
    paths.private.mkdir(parents=True)
    put(paths, OLD, ["0", "1"])
    publish(paths, OLD)
    put(paths, OLD, ["0", "1", "2"], "more work")
    put(paths, NEW, ["3", "5"])
    return paths


def state(paths: Paths) -> dict[str, str]:
    path_list = (paths.headers_dir, paths.pixels_dir, paths.quarantine_dir, paths.patient_evidence_dir)
    path_list += (paths.deidentification(NEW).parent,)
    files = (paths.files, paths.identities, paths.identifiers, paths.label_texts, paths.private / "ingested.json")
    return {path.name: content_hash(path) for path in (*path_list, *files)}


def in_a_child(work: Callable[[], object]) -> int:
    """Do `work` in a forked process; returns how it ended."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at(move: int, work: Callable[[], object]) -> Callable[[], None]:
    """`work` in a process that kills itself just before its `move`-th moving of a file into place."""

    def run() -> None:
        original, count = Path.replace, 0

        def replace(self: Path, target: Path) -> Path:
            nonlocal count
            if count == move:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
            return original(self, target)

        Path.replace = replace  # type: ignore[method-assign,assignment]
        work()

    return run


def test_a_published_batch_can_be_read_and_staging_is_tidied(paths: Paths) -> None:
    publish(paths, NEW)
    assert load_headers(paths, NEW)["image_id"].tolist() == ["new-3", "new-5"]
    assert open_pixels(paths, NEW)[:, 0, 0].tolist() == [3, 5]
    assert read_table(paths.files)["batch"].tolist() == [NEW, NEW, OLD, OLD]
    assert not (paths.staging(NEW) / "ready").exists()
    assert is_published(paths, NEW, "work")
    assert not is_published(paths, NEW, "other work")


def test_publishing_again_replaces_the_batchs_rows_only(paths: Paths) -> None:
    publish(paths, NEW)
    publish(paths, OLD)
    assert read_table(paths.identities)["image_id"].tolist() == ["new-3", "new-5", "old-0", "old-1", "old-2"]
    assert len(open_pixels(paths, OLD)) == len(load_headers(paths, OLD)) == 3


def test_a_table_in_which_batches_are_mixed_in_one_group_of_rows_is_put_in_order(paths: Paths) -> None:
    publish(paths, NEW)
    kept = content_hash(paths.files)
    write_table(paths.files, read_table(paths.files).astype("string"))  # one group, as older versions wrote
    publish(paths, OLD)
    put(paths, NEW, ["3", "5"])
    publish(paths, NEW)
    files = read_table(paths.files)
    assert files["file_id"].tolist() == ["new-3", "new-5", "old-0", "old-1", "old-2"]
    assert content_hash(paths.files) != kept


def test_nothing_staged_means_nothing_to_do(paths: Paths) -> None:
    before = state(paths)
    publish(paths, "never heard of")
    assert state(paths) == before


def test_the_order_of_publication_does_not_matter(paths: Paths, tmp_path: Path) -> None:
    other = Paths(tmp_path / "other")
    other.private.mkdir(parents=True)
    put(other, NEW, ["3", "5"])
    put(other, OLD, ["0", "1", "2"], "more work")
    for batch in (OLD, NEW):
        publish(paths, batch)
    for batch in (NEW, OLD):
        publish(other, batch)
    assert state(paths) == state(other)


@pytest.mark.parametrize("batch", [NEW, OLD])
@pytest.mark.parametrize("move", range(MOVES))
def test_killed_before_any_move_the_batch_is_whole_or_absent_and_can_be_published_again(
    batch: str, move: int, paths: Paths
) -> None:
    ended = in_a_child(dying_at(move, lambda: publish(paths, batch)))
    assert ended in (0, -signal.SIGKILL)
    for name in ingested_batches(paths):
        images = open_pixels(paths, name)[:, 0, 0]
        assert load_headers(paths, name)["image_id"].tolist() == [f"{name}-{number}" for number in images]
    publish(paths, batch)
    assert len(load_headers(paths, batch)) == len(open_pixels(paths, batch)) == {NEW: 2, OLD: 3}[batch]
    assert is_published(paths, batch, {NEW: "work", OLD: "more work"}[batch])
    patients = read_table(paths.patient_evidence(batch))["patient"].tolist()
    assert patients == load_headers(paths, batch)["image_id"].tolist()
    files = read_table(paths.files)
    assert len(files) == files["file_id"].nunique() == (4 if batch == NEW else 3)


def test_the_last_kill_comes_after_the_last_move(paths: Paths) -> None:
    assert in_a_child(dying_at(MOVES, lambda: publish(paths, NEW))) == 0
    assert ingested_batches(paths) == [NEW, OLD]


@pytest.mark.parametrize("number", range(5))
def test_a_disk_that_fills_up_while_publishing_leaves_the_batch_as_it_was(
    number: int, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content_hash(paths.headers(OLD)), content_hash(paths.pixels(OLD))
    original, writes = publishing.write_groups, 0

    def full(path: Path, schema: pa.Schema, groups: Iterator[pa.Table]) -> None:
        nonlocal writes
        writes += 1
        original(path, schema, half_of(groups) if writes == number + 1 else groups)

    def half_of(groups: Iterator[pa.Table]) -> Iterator[pa.Table]:
        yield next(groups)
        raise Full

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_groups", full)
        if number < 4:
            with pytest.raises(Full):
                publish(paths, OLD)
            assert (content_hash(paths.headers(OLD)), content_hash(paths.pixels(OLD))) == before
        else:
            publish(paths, OLD)
    publish(paths, OLD)
    assert len(load_headers(paths, OLD)) == len(open_pixels(paths, OLD)) == 3


def test_a_batch_without_images_publishes_its_verdicts_and_leaves_the_rest(paths: Paths) -> None:
    before = content_hash(paths.headers(OLD)), content_hash(paths.identities)
    start_staging(paths, OLD, "nothing")
    tables = tables_of(OLD, []) | {name: tables_of(OLD, ["9"])[name] for name in ("files", "quarantine")}
    blocks = {name: blocks_of(table) for name, table in tables.items()}
    stage(paths, OLD, "nothing", blocks, {}, partial(np.save, arr=np.zeros((0, 4, 4), np.uint8)))
    publish(paths, OLD)
    assert (content_hash(paths.headers(OLD)), content_hash(paths.identities)) == before
    assert read_table(paths.files)["file_id"].tolist() == ["old-9"]
    assert read_table(paths.quarantine(OLD))["file_id"].tolist() == ["old-9"]
    assert not is_published(paths, OLD, "nothing")


def test_staging_of_the_same_work_is_kept_and_of_other_work_removed(paths: Paths) -> None:
    folder = start_staging(paths, "next", "one")
    (folder / "block").touch()
    assert start_staging(paths, "next", "one") == folder
    assert (folder / "block").exists()
    start_staging(paths, "next", "two")
    assert not (folder / "block").exists()
    clear_staging(paths, "next")
    clear_staging(paths, "next")
    assert not folder.exists()


def test_a_batch_whose_shard_is_lost_is_not_published(paths: Paths) -> None:
    publish(paths, NEW)
    paths.pixels(NEW).unlink()
    assert not is_published(paths, NEW, "work")
    assert ingested_batches(paths) == [OLD]
