"""The columns of the ingestion's tables, and how rows become tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from dagster_project.ingestion.passes import FileRead, staged_of
from dagster_project.ingestion.pseudonyms import Pseudonyms
from dagster_project.ingestion.reasons import verdict_of

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
    "label_region": "string",
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
LABEL_TEXT_COLUMNS = dict.fromkeys(("image_id", "attribute", "text", "batch"), "string")

# A batch that was ingested into other columns is ingested again.
COLUMNS = repr([HEADER_COLUMNS, FILE_COLUMNS, QUARANTINE_COLUMNS, IDENTITY_COLUMNS, IDENTIFIER_COLUMNS])


def batch_tables(
    reads: list[FileRead], used: list[FileRead], batch: str, pseudonyms: Pseudonyms
) -> dict[str, pd.DataFrame]:
    """The tables `headers`, `identities`, `identifiers`, `label_texts`, `files` and `quarantine` of one batch.

    `used` are the files that count, one a picture; headers and identities stand in the order of their image ids.
    """
    headers, identities, texts = [], [], []
    for read in used:
        row, identity, pixels = read.header.row or {}, read.header.identity, staged_of(read)
        seen = {
            "pixel_digest": pseudonyms.of("pixels", pixels.pixel_digest),
            "cropped": pixels.cropped,
            "blanked": pixels.blanked,
            "text_masked": pixels.masked,
        }
        headers.append({**row, "batch": batch, **seen, "warnings": ";".join(read.reasons)})
        identities.append(
            {"image_id": row["image_id"], **vars(identity), "path": _shown(read.file.path), "batch": batch}
        )
        texts += [
            {"image_id": row["image_id"], "attribute": attribute, "text": _shown(text), "batch": batch}
            for attribute, text in read.header.label_texts.items()
        ]
    files = [
        {
            "file_id": read.file_id,
            "batch": batch,
            "path": _shown(read.file.path),
            "verdict": verdict_of(read.reasons),
            "reason": ";".join(read.reasons),
        }
        for read in reads
    ]
    refused = [
        {**row, "verdict": row["verdict"].removeprefix("accept_")} for row in files if row["verdict"] != "accept"
    ]
    return {
        "headers": _table(headers, HEADER_COLUMNS, ["image_id"]),
        "identities": _table(identities, IDENTITY_COLUMNS, ["image_id"]),
        "identifiers": _table(_identifiers(reads, batch), IDENTIFIER_COLUMNS, ["kind", "value"]),
        "label_texts": _table(texts, LABEL_TEXT_COLUMNS, ["image_id", "attribute"]),
        "files": _table(files, FILE_COLUMNS, ["file_id"]),
        "quarantine": _table(refused, QUARANTINE_COLUMNS, ["file_id"]),
    }


def _identifiers(reads: list[FileRead], batch: str) -> list[dict[str, Any]]:
    """Each once, of all files whose header could be read: not whose they are."""
    found = {(kind, _shown(value)) for read in reads for kind, value in read.header.identifiers}
    return [{"kind": kind, "value": value, "batch": batch} for kind, value in found]


def _table(rows: Iterable[dict[str, Any]], columns: dict[str, str], sort_by: list[str]) -> pd.DataFrame:
    """Exactly `columns` with their types, sorted, so that the same rows give the same file."""
    frame = pd.DataFrame(list(rows), columns=list(columns))
    return frame.astype(columns).sort_values(sort_by, kind="stable", ignore_index=True)


def _shown(name: str) -> str:
    """File names and texts may hold bytes that are no UTF-8; tables hold text only."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
