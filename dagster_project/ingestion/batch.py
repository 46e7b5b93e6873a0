"""One batch: two passes over a source's files, staged, then published whole."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dagster_project.errors import RayTruthError
from dagster_project.files import read_table
from dagster_project.ingestion.passes import FileRead, masked_in, nothing_usable, read_headers, read_pictures, staged_of
from dagster_project.ingestion.pseudonyms import load_pseudonyms
from dagster_project.ingestion.publish import clear_staging, is_published, publish, stage, start_staging, sweep
from dagster_project.ingestion.register import forget, register
from dagster_project.ingestion.sources import list_files, stamp
from dagster_project.ingestion.staged_pixels import staged_pictures
from dagster_project.ingestion.tables import COLUMNS, batch_tables
from dagster_project.layout import Layout, checked_batch_name
from dagster_project.params import Params
from dagster_project.privacy.proof import actions_report
from dagster_project.taxonomy.taxonomy import load_taxonomy


@dataclass(frozen=True)
class BatchSummary:
    """What a batch holds: pictures published, files by verdict and by reason code."""

    batch: str
    pictures: int
    verdicts: dict[str, int]
    reasons: dict[str, int]
    seconds: float


def ingest(layout: Layout, params: Params, source: Path, batch: str) -> BatchSummary:
    """Ingest the files under `source` as `batch`; nothing is done again if neither they nor the settings changed.

    A picture's row stands at the same place in `data/headers/<batch>.parquet` and `data/pixels/<batch>.npy`.
    Interrupted, it leaves what was published before, and continues when run again.
    Raises RayTruthError if the source is empty or holds no usable radiograph (its quarantine table is written all the
    same), the batch's name belongs to another source or repeats an identity, or another process ingests the batch.
    """
    started = time.monotonic()
    checked_batch_name(batch)
    pseudonyms = load_pseudonyms(layout.key)
    taxonomy = load_taxonomy(layout.root / params.regions)
    files = list_files(source)
    layout.staging(batch).parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(layout.staging(batch).with_suffix(".lock"), timeout=0):
            register(layout, pseudonyms, batch, source, files)
            sweep(layout)
            publish(layout, batch)  # what a crash left staged whole
            work = pseudonyms.of(
                "work", *map(stamp, files), params.ingestion.model_dump_json(), repr(taxonomy), COLUMNS
            )
            if not is_published(layout, batch, work):
                staging = start_staging(layout, batch, work)
                reads = read_headers(files, batch, pseudonyms, taxonomy, params.ingestion)
                _refuse_telling_name(layout, batch, reads)
                used, places = read_pictures(reads, params.ingestion, staging)
                tables = batch_tables(reads, used, batch, pseudonyms)
                proof = actions_report(batch, [staged_of(read).tags for read in used], masked_in(used))
                stage(layout, batch, work, tables, proof, staged_pictures(staging), places)
                publish(layout, batch)
            clear_staging(layout, batch)
    except Timeout:
        raise RayTruthError(
            "Another process is ingesting this batch", where=f"batch {batch}", do="wait for it; nothing was changed"
        ) from None
    return _summary(layout, batch, time.monotonic() - started)


def _refuse_telling_name(layout: Layout, batch: str, reads: list[FileRead]) -> None:
    identities = [r.header.identity for r in reads if r.header.identity]
    if any(len(i.patient_id) >= 4 and i.patient_id.casefold() in batch.casefold() for i in identities):
        if not layout.headers(batch).exists():
            forget(layout, batch)
        raise RayTruthError(
            "The batch's name repeats a patient's ID, and batch names are shown everywhere",
            where="the batch's name, or its folder in data/inbox/",
            do="choose another name, such as 2026-11",
        )


def _summary(layout: Layout, batch: str, seconds: float) -> BatchSummary:
    files = read_table(layout.files)
    files = files[files["batch"] == batch]
    verdicts = dict(Counter(files["verdict"]))
    reasons = Counter(reason for joined in files["reason"] for reason in joined.split(";") if reason)
    pictures = len(read_table(layout.headers(batch), columns=["image_id"])) if layout.headers(batch).exists() else 0
    if not verdicts.get("accept", 0) + verdicts.get("accept_warn", 0):
        raise nothing_usable(reasons, f"batch {batch}")
    return BatchSummary(batch, pictures, verdicts, dict(reasons.most_common()), seconds)
