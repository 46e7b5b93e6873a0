"""Ingest one batch: two passes over a source's files, staged, then published as a whole."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from filelock import FileLock, Timeout

from dagster_project.core.atomic_io import read_groups, row_count
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths, checked_batch_name
from dagster_project.intake.ingestion.batch.batch_index import BatchIndex, batch_index
from dagster_project.intake.ingestion.batch.batch_registry import (
    forget,
    register,
    registered_batches,
    registered_source,
)
from dagster_project.intake.ingestion.batch.passes import nothing_usable, read_headers, read_images
from dagster_project.intake.ingestion.batch.publish import (
    clear_staging,
    is_published,
    publish,
    stage,
    start_staging,
    sweep,
)
from dagster_project.intake.ingestion.batch.staged_pixels import copy_images
from dagster_project.intake.ingestion.batch.tables import COLUMNS, batch_tables
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms, load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import list_files, stamp
from dagster_project.intake.privacy.deidentification_report import actions_report
from dagster_project.intake.root import Root


@dataclass(frozen=True)
class BatchSummary:
    """The content of a batch: number of published images, and files by verdict and by reason code."""

    batch: str
    images: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    seconds: float


def ingest(root: Root, source: Path, batch: str) -> BatchSummary:
    """Ingest the files under `source` as `batch`; nothing is repeated if files and settings have not changed.

    An image has the same row number in `data/headers/<batch>.parquet` and `data/pixels/<batch>.npy`. After an
    interruption the earlier published batch is still there, and a rerun continues.
    Raises RayTruthError if the source is empty or has no usable radiograph (the quarantine table is written anyway), if
    the batch name belongs to another source or contains an identity, or if another process ingests the batch.
    """
    started = time.monotonic()
    checked_batch_name(batch)
    pseudonyms = load_pseudonyms(root.paths.pseudonym_key)
    taxonomy = root.taxonomy
    files = list_files(source)
    root.paths.staging(batch).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root.paths.staging(batch).with_suffix(".lock"), timeout=0):
            register(root.paths, pseudonyms, batch, source, files)
            sweep(root.paths)
            publish(root.paths, batch)  # a completely staged batch that a crash left
            work = pseudonyms.of(
                "work", *map(stamp, files), root.settings.ingestion.model_dump_json(), repr(taxonomy), COLUMNS
            )
            if not is_published(root.paths, batch, work):
                staging = start_staging(root.paths, batch, work)
                with batch_index(staging / "index.sqlite") as index:
                    if read_headers(files, batch, pseudonyms, taxonomy, root.settings.ingestion, index):
                        raise _identifying_name(root.paths, batch)
                    read_images(files, root.settings.ingestion, staging, index)
                    _stage(root.paths, batch, work, index, pseudonyms)
                publish(root.paths, batch)
            clear_staging(root.paths, batch)
    except Timeout:
        raise RayTruthError(
            "Another process is ingesting this batch",
            where=f"batch {batch}",
            do="wait until it has ended; nothing was changed",
        ) from None
    return _summary(root.paths, batch, time.monotonic() - started)


def ingest_again(root: Root, batch: str) -> BatchSummary:
    """Ingest a registered batch, or a folder in the inbox, from its source; an unchanged batch takes no time."""
    return ingest(root, registered_source(root.paths, batch), batch)


def ingest_registered(root: Root) -> list[BatchSummary]:
    """Ingest all registered batches again, and all folders in the inbox."""
    inbox = sorted(p.name for p in root.paths.inbox.iterdir() if p.is_dir()) if root.paths.inbox.is_dir() else []
    names = sorted({*registered_batches(root.paths), *map(checked_batch_name, inbox)})
    return [ingest_again(root, name) for name in names]


def _stage(paths: Paths, batch: str, work: str, index: BatchIndex, pseudonyms: Pseudonyms) -> None:
    report = actions_report(batch, (file.pixels.tags for file in index.used()), index.masked())
    shard = partial(copy_images, paths.staging(batch), index.places())
    stage(paths, batch, work, batch_tables(index, batch, pseudonyms), report, shard)


def _identifying_name(paths: Paths, batch: str) -> RayTruthError:
    if not paths.headers(batch).exists():
        forget(paths, batch)
    return RayTruthError(
        "The batch name repeats a patient's ID, but batch names are shown everywhere",
        where="the batch name, or the folder name in data/inbox/",
        do="choose another name, such as 2026-11",
    )


def _summary(paths: Paths, batch: str, seconds: float) -> BatchSummary:
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for group in read_groups(paths.files, ["batch", "verdict", "reason"]):
        rows = group.filter(pc.equal(group["batch"], batch))
        verdicts.update(rows["verdict"].to_pylist())
        reasons.update(reason for joined in rows["reason"].to_pylist() for reason in joined.split(";") if reason)
    images = row_count(paths.headers(batch)) if paths.headers(batch).exists() else 0
    if not verdicts["accept"] + verdicts["accept_warn"]:
        raise nothing_usable(reasons, f"batch {batch}")
    return BatchSummary(batch, images, dict(verdicts), dict(reasons.most_common()), seconds)
