"""The identities of batches, from `data/private/`. No file outside this folder may contain them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.paths import Paths

NAME, STAFF, NUMBER, UID, PATH = "name", "name of staff", "ID", "UID", "path"
_COLUMNS = {
    "sop_instance_uid": UID,
    "study_instance_uid": UID,
    "series_instance_uid": UID,
    "patient_id": NUMBER,
}


@dataclass(frozen=True)
class Identity:
    """One identifying value: a name, an ID or accession number, a UID, or a path in the source."""

    kind: str
    value: str
    batch: str


def identities_of(paths: Paths, batches: Iterable[str]) -> set[Identity]:
    """All identities of these batches in `data/private/`."""
    chosen = list(batches)
    found = {
        Identity(kind, value, batch)
        for kind, value, batch in _rows(paths.identifiers, chosen, ["kind", "value", "batch"])
    }
    for column, kind in _COLUMNS.items():
        found |= {Identity(kind, value, batch) for value, batch in _rows(paths.identities, chosen, [column, "batch"])}
    sources = read_json(paths.sources) if paths.sources.exists() else {}
    for path, batch in _rows(paths.files, chosen, ["path", "batch"]):
        source = sources.get(batch, "")
        found.add(Identity(PATH, path.removeprefix(source).lstrip("/"), batch))
    for batch in chosen:
        source = sources.get(batch, "")
        if source and not Path(source).is_relative_to(paths.root):  # the path of the root is not secret
            found.add(Identity(PATH, source, batch))
    return {identity for identity in found if identity.value}


def _rows(table: Path, batches: list[str], columns: list[str]) -> Iterable[tuple[str, ...]]:
    if not table.exists():
        return []
    rows: pd.DataFrame = read_table(table, columns=columns)
    rows = rows[rows["batch"].isin(batches)].dropna().drop_duplicates()
    return rows.itertuples(index=False, name=None)
