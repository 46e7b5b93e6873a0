"""A batch's tables are staged whole, then moved into place; a crash between the moves is made good by the next call."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from dagster_project.files import (
    begin_npy,
    read_json,
    read_table,
    remove_leftovers,
    replacing_dir,
    write_json,
    write_table,
)
from dagster_project.layout import Layout


def stage(
    layout: Layout,
    batch: str,
    work: str,
    tables: dict[str, pd.DataFrame],
    proof: dict[str, Any],
    pictures: np.ndarray,
    places: list[int],
) -> None:
    """Write a batch's tables (those of `batch_tables`), its de-identification proof and its shard to staging.

    The shard holds rows `places` of `pictures`, uint8 (files, side, side), in that order, which is the headers'.
    """
    with replacing_dir(_ready(layout, batch)) as folder:
        for name, frame in tables.items():
            write_table(folder / f"{name}.parquet", frame)
        with (folder / "pixels.npy").open("wb") as shard:
            begin_npy(shard, (len(places), *pictures.shape[1:]))
            for place in places:
                shard.write(pictures[place].tobytes())
            os.fsync(shard.fileno())
        write_json(folder / "proof.json", proof)
        write_json(folder / "work.json", work)


def publish(layout: Layout, batch: str) -> None:
    """Move a completely staged batch into place, if there is one. May be repeated after a crash at any point.

    Headers come last: a batch counts as ingested when it has them. A batch without any picture publishes its verdicts
    only; what stood published under its name stays as it was.
    """
    ready = _ready(layout, batch)
    if not ready.exists():
        return
    with FileLock(layout.lock):
        _merge(ready / "files.parquet", layout.files, batch)
        _merge(ready / "identifiers.parquet", layout.identifiers, batch)  # of refused files too
        _move(ready / "quarantine.parquet", layout.quarantine(batch))
        headers = ready / "headers.parquet"
        if headers.exists() and not read_table(headers, columns=["image_id"]).empty:
            _merge(ready / "identities.parquet", layout.identities, batch)
            _merge(ready / "label_texts.parquet", layout.label_texts, batch)
            _move(ready / "proof.json", layout.deidentification(batch))
            _mark(layout, batch, read_json(ready / "work.json"))
            # From here on nothing needs room on the disk. The old rows go first: none may stand beside new pictures.
            layout.headers(batch).unlink(missing_ok=True)
            _move(ready / "pixels.npy", layout.pixels(batch))
            _move(headers, layout.headers(batch))
        shutil.rmtree(ready)


def sweep(layout: Layout) -> None:
    """Remove what killed ingestions left half written beside the tables that all batches share."""
    with FileLock(layout.lock):
        shared = (layout.files, layout.identities, layout.label_texts, layout.sources, layout.batches, _done(layout))
        for path in shared:
            remove_leftovers(path)


def is_published(layout: Layout, batch: str, work: str) -> bool:
    """Whether the batch stands published as the result of just this work (files, settings, taxonomy, columns)."""
    done = read_json(_done(layout)).get(batch) if _done(layout).exists() else None
    return done == work and layout.headers(batch).exists() and layout.pixels(batch).exists()


def start_staging(layout: Layout, batch: str, work: str) -> Path:
    """The staging folder of `batch` for this work; what an interrupted run of other work left there is removed."""
    folder, note = layout.staging(batch), layout.staging(batch) / "work.json"
    if not note.exists() or read_json(note) != work:
        clear_staging(layout, batch)
    write_json(note, work)
    return folder


def clear_staging(layout: Layout, batch: str) -> None:
    """Remove the batch's staging folder, if there is one."""
    if layout.staging(batch).exists():
        shutil.rmtree(layout.staging(batch))


def _merge(staged: Path, shared: Path, batch: str) -> None:
    if not staged.exists():  # an interrupted publication had come to an end but for the tidying up
        return
    new = read_table(staged)
    if shared.exists():
        old = read_table(shared)
        new = pd.concat([old[old["batch"] != batch], new], ignore_index=True)
    write_table(shared, new.sort_values(["batch", new.columns[0]], kind="stable", ignore_index=True))
    shared.chmod(0o600)


def _move(staged: Path, final: Path) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    if staged.exists():  # else an interrupted publication moved it before
        staged.replace(final)


def _mark(layout: Layout, batch: str, work: str) -> None:
    done = read_json(_done(layout)) if _done(layout).exists() else {}
    write_json(_done(layout), done | {batch: work})


def _ready(layout: Layout, batch: str) -> Path:
    return layout.staging(batch) / "ready"


def _done(layout: Layout) -> Path:
    return layout.private / "ingested.json"
