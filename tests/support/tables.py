"""Tables compared with their declarations."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from dagster_project.core.schema import KEY, SCHEMA
from dagster_project.core.tables import Table
from dagster_project.outputs import TABLES

BY_PATH = {re.compile(re.escape(table.path).replace("<batch>", r"[\w-]+")): table for table in TABLES}


def declared(path: str) -> Table:
    path = re.sub(r"models/champions/\w+/", "models/ensemble/", path)
    found = [table for pattern, table in BY_PATH.items() if pattern.fullmatch(path)]
    assert len(found) == 1, f"{path}: no table of that name is declared"
    return found[0]


def check(path: Path, table: Table, regions: tuple[str, ...]) -> None:
    """The columns of a file, their types, values and limits are those that are declared."""
    schema, rows = pq.read_schema(path), pd.read_parquet(path)
    assert (schema.metadata or {}).get(KEY.encode()) == str(SCHEMA).encode(), path
    more = regions if table.for_each_region else ()
    assert list(rows) == [*table.types, *more], path
    empty = rows.iloc[:0].astype(table.types | dict.fromkeys(more, "float32"))
    for column in table.columns:
        if column.type == "string":
            assert str(schema.field(column.name).type) in ("string", "large_string"), f"{path}: {column.name}"
    for name in rows:
        if pd.api.types.is_numeric_dtype(empty[name]) or pd.api.types.is_bool_dtype(empty[name]):
            assert str(rows[name].dtype).lower() == str(empty[name].dtype).lower(), f"{path}: {name}"
    for column in table.columns:
        values = rows[column.name].dropna()
        if column.values:
            assert set(values) <= set(column.values), f"{path}: {column.name}"
        if column.limits and len(values):
            low, high = column.limits
            assert low <= values.min(), f"{path}: {column.name}"
            assert values.max() <= high, f"{path}: {column.name}"
        if column.unit.endswith("hexadecimal digits") and len(values):
            digits = int(column.unit.split()[0])
            assert values[values != ""].str.fullmatch(f"[0-9a-f]{{{digits}}}").all(), f"{path}: {column.name}"
