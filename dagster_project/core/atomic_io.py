"""Atomic writing: a crash leaves the old file or the new one, never half of either."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.core.schema import KEY, SCHEMA, check_schema
from dagster_project.core.tables import Table


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, with its suffix; on success it replaces `path`, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as f:
            os.fsync(f.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def keep_copy(path: Path) -> str:
    """Copy a file before it is migrated, to a name that is free; return the name: `params.before-migration-1.yaml`."""
    number = 1
    while (kept := path.with_name(f"{path.stem}.before-migration-{number}{path.suffix}")).exists():
        number += 1
    shutil.copyfile(path, kept)
    return kept.name


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed processes left in `replacing(path)`. The caller must hold a lock on `path`."""
    for leftover in path.parent.glob(f".{path.stem}.*.tmp{path.suffix}"):
        leftover.unlink()


@contextmanager
def replacing_dir(path: Path) -> Iterator[Path]:
    """Yield a temporary folder next to `path`; on success it replaces `path`, on failure it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys, atomically; the same value gives the same bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write what describes a model file, with the schema version."""
    write_json(path, {**card, KEY: SCHEMA})


def read_card(path: Path) -> dict[str, Any]:
    """Read what `write_card` wrote. Raises RayTruthError if another version of RayTruth wrote it."""
    card: dict[str, Any] = read_json(path)
    check_schema(card.get(KEY), path)
    return card


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet without its index, atomically; the same table gives the same bytes."""
    write_blocks(path, [table])


def write_rows(path: Path, rows: pd.DataFrame, table: Table, regions: Sequence[str] = ()) -> None:
    """Write `rows` as `table` declares: its columns in their order, with their types.

    `regions` are the region classes, for a table with a column for each. Raises KeyError if a column is missing.
    """
    types = table.types | dict.fromkeys(regions, "float32")
    write_table(path, rows[list(types)].astype(types))


def write_blocks(path: Path, blocks: Iterable[pd.DataFrame]) -> None:
    """Write a table from one or more blocks as `write_table` does, with only one block in memory at a time."""
    tables = (pa.Table.from_pandas(block, preserve_index=False) for block in blocks)
    first = next(tables)
    write_groups(path, first.schema, chain([first], tables))


def write_groups(path: Path, schema: pa.Schema, groups: Iterable[pa.Table]) -> None:
    """Write parquet with one row group for each of `groups`, atomically; the same groups give the same bytes.

    The file carries the schema version.
    """
    schema = with_schema_version(schema)
    with replacing(path) as temporary, temporary.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
        for group in groups:
            if len(group):
                writer.write_table(group)


def with_schema_version(schema: pa.Schema) -> pa.Schema:
    """`schema` with the version of core/schema.py among its metadata."""
    return schema.with_metadata({**(schema.metadata or {}), KEY: str(SCHEMA)})


def read_groups(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a parquet file, one after another."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns=columns)


def row_count(path: Path) -> int:
    """How many rows a parquet table has."""
    return int(pq.read_metadata(path).num_rows)


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a parquet table; text columns hold plain `str`, or None for a missing value.

    Raises RayTruthError if another version of RayTruth wrote the table.
    """
    schema = pq.read_schema(path)
    version = (schema.metadata or {}).get(KEY.encode(), b"").decode()
    if version or not set(columns or ()) <= set(schema.names):
        check_schema(version or None, path)
    table = pd.read_parquet(path, columns=columns)
    for name in table.columns[[pd.api.types.is_string_dtype(kind) for kind in table.dtypes]]:
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, atomically."""
    with replacing(path) as temporary, temporary.open("wb") as f:
        np.save(f, array, allow_pickle=False)


def begin_npy(file: BinaryIO, shape: tuple[int, ...]) -> None:
    """Begin a uint8 .npy file whose rows follow as plain bytes.

    With plain writes, a full disk raises OSError; with a memory map it would kill the process (SIGBUS).
    """
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def content_hash(path: Path) -> str:
    """SHA-256 (hex) of a file, or of a folder's file names and contents in sorted order."""
    digest = hashlib.sha256()
    if path.is_file():
        with path.open("rb") as f:
            return hashlib.file_digest(f, "sha256").hexdigest()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path)}\0{content_hash(file)}\n".encode())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} does not go into JSON")
