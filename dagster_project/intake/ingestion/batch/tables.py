"""The columns of the ingestion's tables, and the conversion of rows to tables, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pandas as pd

from dagster_project.intake.ingestion.batch.batch_index import BatchIndex, SeenFile, UsedFile, shown
from dagster_project.intake.ingestion.headers.patient_evidence import Evidence
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import verdict_of

_BLOCK = 512  # rows at once

HEADER_COLUMNS: dict[str, str] = {
    "image_id": "string",
    "batch": "string",
    "patient": "string",
    "study": "string",
    "series": "string",
    "modality": "string",
    "sop_class": "string",
    "transfer_syntax": "string",
    "photometric_interpretation": "string",
    "rows": "int32",
    "columns": "int32",
    "bits_allocated": "int16",
    "bits_stored": "int16",
    "signed": "bool",
    "rescaled": "bool",
    "burned_in_annotation": "string",
    "view_position": "string",
    "laterality": "string",
    "patient_sex": "string",
    "age_decade": "Int8",
    "manufacturer": "string",
    "model": "string",
    "station": "string",
    "kvp": "float32",
    "study_date_shifted": "datetime64[s]",
    "header_region": "string",
    "label_status": "string",
    "label_attribute": "string",
    "label_rule": "string",
    "label_matched": "string",
    "label_conflict": "string",
    "label_conflict_region": "string",
    "pixel_digest": "string",
    "cropped": "float32",
    "blanked": "float32",
    "text_masked": "float32",
    "warnings": "string",
}
FILE_COLUMNS = dict.fromkeys(("file_id", "batch", "path", "verdict", "reason"), "string")
QUARANTINE_COLUMNS = dict.fromkeys(("file_id", "verdict", "reason"), "string")
IDENTITY_COLUMNS = dict.fromkeys(
    ("image_id", "sop_instance_uid", "study_instance_uid", "series_instance_uid", "patient_id", "path", "batch"),
    "string",
)
IDENTIFIER_COLUMNS = dict.fromkeys(("kind", "value", "batch"), "string")
EVIDENCE_COLUMNS = dict.fromkeys(Evidence._fields, "string")
LABEL_TEXT_COLUMNS = dict.fromkeys(("image_id", "attribute", "text", "batch"), "string")

# A batch that was ingested with other columns is ingested again.
COLUMNS = repr(
    [HEADER_COLUMNS, FILE_COLUMNS, QUARANTINE_COLUMNS, IDENTITY_COLUMNS, IDENTIFIER_COLUMNS, EVIDENCE_COLUMNS]
)


def batch_tables(index: BatchIndex, batch: str, pseudonyms: Pseudonyms) -> dict[str, Iterator[pd.DataFrame]]:
    """A batch's tables, in blocks.

    They are `headers`, `identities`, `identifiers`, `patient_evidence`, `label_texts`, `files` and `quarantine`.
    Headers and identities have one row for each image, in the order of the image ids. The same rows give the same
    blocks, and each table has at least one block.
    """
    return {
        "headers": _blocks((_header_row(f, batch, pseudonyms) for f in index.used()), HEADER_COLUMNS),
        "identities": _blocks((_identity_row(f, batch) for f in index.used()), IDENTITY_COLUMNS),
        "identifiers": _blocks(
            ({"kind": kind, "value": value, "batch": batch} for kind, value in index.identifiers()), IDENTIFIER_COLUMNS
        ),
        "patient_evidence": _blocks((row._asdict() for row in index.evidence()), EVIDENCE_COLUMNS),
        "label_texts": _blocks((row for f in index.used() for row in _label_texts(f, batch)), LABEL_TEXT_COLUMNS),
        "files": _blocks((_file_row(f, batch) for f in index.seen()), FILE_COLUMNS),
        "quarantine": _blocks(filter(None, map(_quarantine_row, index.seen())), QUARANTINE_COLUMNS),
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


def _blocks(rows: Iterator[dict[str, Any]], columns: dict[str, str]) -> Iterator[pd.DataFrame]:
    """Blocks with exactly `columns` and their types; one empty block if there are no rows."""
    yield pd.DataFrame(list(islice(rows, _BLOCK)), columns=list(columns)).astype(columns)
    while block := list(islice(rows, _BLOCK)):
        yield pd.DataFrame(block, columns=list(columns)).astype(columns)
