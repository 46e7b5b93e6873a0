"""A batch is staged completely, then moved into place. After a crash between the moves, the next call completes it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from dagster_project.core.atomic_io import (
    read_groups,
    read_json,
    remove_leftovers,
    replacing_dir,
    row_count,
    write_blocks,
    write_groups,
    write_json,
)
from dagster_project.core.paths import Paths


def stage(
    paths: Paths,
    batch: str,
    work: str,
    tables: dict[str, Iterator[pd.DataFrame]],
    report: dict[str, Any],
    write_shard: Callable[[BinaryIO], None],
) -> None:
    """Write a batch's tables (from `batch_tables`), its de-identification report and its shard to staging.

    `write_shard` writes the .npy of the shard into a file, with one image for each row of the headers.
    """
    with replacing_dir(_ready(paths, batch)) as folder:
        for name, blocks in tables.items():
            write_blocks(folder / f"{name}.parquet", blocks)
        with (folder / "pixels.npy").open("wb") as shard:
            write_shard(shard)
            shard.flush()
            os.fsync(shard.fileno())
        write_json(folder / "proof.json", report)
        write_json(folder / "work.json", work)


def publish(paths: Paths, batch: str) -> None:
    """Move a completely staged batch into place, if there is one. Can be repeated after a crash at any point.

    Headers come last, because a batch with headers counts as ingested. A batch without images publishes only its
    verdicts; an earlier batch that was published under its name stays.
    """
    ready = _ready(paths, batch)
    if not ready.exists():
        return
    with FileLock(paths.lock):
        _merge(ready / "files.parquet", paths.files, batch)
        _merge(ready / "identifiers.parquet", paths.identifiers, batch)  # also from refused files
        _move(ready / "quarantine.parquet", paths.quarantine(batch))
        headers = ready / "headers.parquet"
        if headers.exists() and row_count(headers):
            _merge(ready / "identities.parquet", paths.identities, batch)
            _merge(ready / "label_texts.parquet", paths.label_texts, batch)
            _move(ready / "proof.json", paths.deidentification(batch))
            _mark(paths, batch, read_json(ready / "work.json"))
            # From here on no disk space is needed. The old rows are removed first: they do not match the new images.
            paths.headers(batch).unlink(missing_ok=True)
            _move(ready / "patient_evidence.parquet", paths.patient_evidence(batch))
            _move(ready / "pixels.npy", paths.pixels(batch))
            _move(headers, paths.headers(batch))
        shutil.rmtree(ready)


def sweep(paths: Paths) -> None:
    """Remove half-written files that killed ingestions left next to the tables of all batches."""
    with FileLock(paths.lock):
        tables = (paths.files, paths.identities, paths.identifiers, paths.label_texts)
        for path in (*tables, paths.sources, paths.batches, _done(paths)):
            remove_leftovers(path)


def is_published(paths: Paths, batch: str, work: str) -> bool:
    """Whether the published batch is the result of exactly this work (files, settings, taxonomy, columns)."""
    done = read_json(_done(paths)).get(batch) if _done(paths).exists() else None
    return done == work and paths.headers(batch).exists() and paths.pixels(batch).exists()


def start_staging(paths: Paths, batch: str, work: str) -> Path:
    """The staging folder of `batch` for this work; leftovers of an interrupted run of other work are removed."""
    folder, note = paths.staging(batch), paths.staging(batch) / "work.json"
    if not note.exists() or read_json(note) != work:
        clear_staging(paths, batch)
    write_json(note, work)
    return folder


def clear_staging(paths: Paths, batch: str) -> None:
    """Remove the batch's staging folder, if there is one."""
    if paths.staging(batch).exists():
        shutil.rmtree(paths.staging(batch))


def _merge(staged: Path, shared: Path, batch: str) -> None:
    """Replace the batch's old rows by its new rows. Each batch has its own row groups, in the order of the batch names,
    so that the same batches give the same file in any order of ingestion.
    """
    if not staged.exists():  # an interrupted publication was complete except for the cleanup
        return

    def old(compare: Callable[[pa.Array, str], pa.Array]) -> Iterator[pa.Table]:
        if shared.exists():
            yield from (group.filter(compare(group["batch"], batch)) for group in read_groups(shared))

    write_groups(shared, pq.read_schema(staged), chain(old(pc.less), read_groups(staged), old(pc.greater)))
    shared.chmod(0o600)


def _move(staged: Path, final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    if staged.exists():  # otherwise an interrupted publication has already moved the file
        staged.replace(final)


def _mark(paths: Paths, batch: str, work: str) -> None:
    done = read_json(_done(paths)) if _done(paths).exists() else {}
    write_json(_done(paths), done | {batch: work})


def _ready(paths: Paths, batch: str) -> Path:
    return paths.staging(batch) / "ready"


def _done(paths: Paths) -> Path:
    return paths.private / "ingested.json"
