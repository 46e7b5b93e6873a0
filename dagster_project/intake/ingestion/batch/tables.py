"""The tables of the ingestion, and the conversion of rows to tables, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pandas as pd

from dagster_project.core.tables import PSEUDONYM, Column, Table, strings
from dagster_project.intake.ingestion.batch.batch_index import BatchIndex, SeenFile, UsedFile, shown
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import verdict_of
from dagster_project.intake.privacy.identities import NAME, NUMBER, STAFF, UID
from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS

_BLOCK = 512  # rows at once
_INGEST = "radiograph_headers"
_BATCH = Column("batch", "string", "the batch")
_IMAGE = Column("image_id", "string", "pseudonym of the image", PSEUDONYM)
_FILE = Column("file_id", "string", "pseudonym of the file, by batch and path in the source", PSEUDONYM)
_REASON = Column("reason", "string", "codes of docs/reasons.md, with semicolons between")

HEADERS = Table(
    "data/headers/<batch>.parquet", "one row for each image, in the order of image_id", HEADER_COLUMNS, _INGEST
)
FILES = Table(
    "data/private/files.parquet",
    "one row for each file that was ever read",
    (
        _FILE,
        _BATCH,
        Column("path", "string", "path of the file in the source"),
        Column("verdict", "string", "what became of it", values=("accept", "accept_warn", "quarantine", "skip")),
        _REASON,
    ),
    _INGEST,
    read_by=("ingest", "scan-identities"),
)
QUARANTINE = Table(
    "data/quarantine/<batch>.parquet",
    "one row for each file that was refused, skipped or accepted with a warning",
    (
        _FILE,
        Column("verdict", "string", "what became of the file", values=("warn", "quarantine", "skip")),
        _REASON,
    ),
    _INGEST,
    read_by=("people",),
)
IDENTITIES = Table(
    "data/private/identities.parquet",
    "one row for each image: who it is in the archive",
    (
        _IMAGE,
        *strings(
            sop_instance_uid="SOPInstanceUID",
            study_instance_uid="StudyInstanceUID",
            series_instance_uid="SeriesInstanceUID",
            patient_id="PatientID",
            path="path of the file",
        ),
        _BATCH,
    ),
    _INGEST,
    read_by=("review page", "export-corrections", "push-corrections", "scan-identities"),
)
IDENTIFIERS = Table(
    "data/private/identifiers.parquet",
    "one row for each name, ID or accession number of a batch; not whose it is",
    (
        Column("kind", "string", "what it is", values=(NAME, STAFF, NUMBER, UID)),
        Column("value", "string", "the value"),
        _BATCH,
    ),
    _INGEST,
    read_by=("scan-identities",),
)
PATIENT_EVIDENCE = Table(
    "data/patient_evidence/<batch>.parquet",
    "one row for each thing that a patient has, by the headers of all files, refused ones too",
    (
        Column("patient", "string", "the patient, by ID and its issuer", PSEUDONYM),
        Column("evidence", "string", "kind of thing", values=("study", "series", "image", "patient_id")),
        Column("value", "string", "the thing", PSEUDONYM),
        Column("issuer", "string", "issuer of the patient ID; empty if unknown", "8 hexadecimal digits"),
        Column("sex", "string", "sex", values=("", "F", "M", "O")),
        Column(
            "birth_date", "string", "to be compared within one value only; empty if unknown", "8 hexadecimal digits"
        ),
    ),
    _INGEST,
    read_by=("build-training-set", "monitor"),
)
LABEL_TEXTS = Table(
    "data/private/label_texts.parquet",
    "one row for each label attribute of an image that is filled",
    (_IMAGE, *strings(attribute="keyword of the attribute", text="its wording"), _BATCH),
    _INGEST,
    read_by=("find-causes", "review page"),
)
TABLES = (HEADERS, QUARANTINE, PATIENT_EVIDENCE, FILES, IDENTITIES, IDENTIFIERS, LABEL_TEXTS)

# A batch that was ingested with other columns is ingested again.
COLUMNS = repr([table.types for table in TABLES])


def batch_tables(index: BatchIndex, batch: str, pseudonyms: Pseudonyms) -> dict[str, Iterator[pd.DataFrame]]:
    """A batch's tables, in blocks.

    They are `headers`, `identities`, `identifiers`, `patient_evidence`, `label_texts`, `files` and `quarantine`.
    Headers and identities have one row for each image, in the order of the image ids. The same rows give the same
    blocks, and each table has at least one block.
    """
    return {
        "headers": _blocks((_header_row(f, batch, pseudonyms) for f in index.used()), HEADERS),
        "identities": _blocks((_identity_row(f, batch) for f in index.used()), IDENTITIES),
        "identifiers": _blocks(
            ({"kind": kind, "value": value, "batch": batch} for kind, value in index.identifiers()), IDENTIFIERS
        ),
        "patient_evidence": _blocks((row._asdict() for row in index.evidence()), PATIENT_EVIDENCE),
        "label_texts": _blocks((row for f in index.used() for row in _label_texts(f, batch)), LABEL_TEXTS),
        "files": _blocks((_file_row(f, batch) for f in index.seen()), FILES),
        "quarantine": _blocks(filter(None, map(_quarantine_row, index.seen())), QUARANTINE),
    }


def _header_row(file: UsedFile, batch: str, pseudonyms: Pseudonyms) -> dict[str, Any]:
    pixels = file.pixels
    return {
        **file.row,
        "batch": batch,
        "pixel_digest": pseudonyms.of("pixels", pixels.pixel_digest),
        "cropped": pixels.cropped,
        "blanked": pixels.blanked,
        "text_masked": pixels.masked,
        "warnings": ";".join(file.reasons),
    }


def _identity_row(file: UsedFile, batch: str) -> dict[str, Any]:
    return {"image_id": file.row["image_id"], **vars(file.identity), "path": shown(file.path), "batch": batch}


def _label_texts(file: UsedFile, batch: str) -> list[dict[str, Any]]:
    return [
        {"image_id": file.row["image_id"], "attribute": attribute, "text": shown(text), "batch": batch}
        for attribute, text in sorted(file.label_texts.items())
    ]


def _file_row(file: SeenFile, batch: str) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "batch": batch,
        "path": shown(file.path),
        "verdict": verdict_of(file.reasons),
        "reason": ";".join(file.reasons),
    }


def _quarantine_row(file: SeenFile) -> dict[str, Any] | None:
    """None for a file that was accepted without warnings."""
    verdict = verdict_of(file.reasons)
    if verdict == "accept":
        return None
    return {"file_id": file.file_id, "verdict": verdict.removeprefix("accept_"), "reason": ";".join(file.reasons)}


def _blocks(rows: Iterator[dict[str, Any]], table: Table) -> Iterator[pd.DataFrame]:
    """Blocks with exactly the columns of `table` and their types; one empty block if there are no rows."""
    columns = table.types
    yield pd.DataFrame(list(islice(rows, _BLOCK)), columns=list(columns)).astype(columns)
    while block := list(islice(rows, _BLOCK)):
        yield pd.DataFrame(block, columns=list(columns)).astype(columns)
