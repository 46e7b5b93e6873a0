"""Helpers for all assets: DVC versions, and tables and images as metadata."""

import base64
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from dagster_project.core.dvc_versions import commit_stage, version_of
from dagster_project.core.paths import Paths
from dagster_project.core.tables import Table, described

# Partitioned checks and observable sources are preview features in the pinned version of Dagster.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.BetaWarning)

BATCHES = dg.DynamicPartitionsDefinition(name="batches")
ENGINEERS, LEARNERS, REVIEWERS = "team:data-engineering", "team:machine-learning", "team:radiology"
GPU = "gpu"  # pool: one training at a time
_MOST_ROWS = 50


class Versions:
    """Versions of a stage's outputs after committing them."""

    def __init__(self, paths: Paths, stage: str) -> None:
        self._paths = paths
        self._hashes = commit_stage(paths, stage)

    def of(self, path: Path) -> dg.DataVersion:
        """The DVC hash of an output file or folder, or of a file in an output folder."""
        return dg.DataVersion(version_of(self._paths, path, self._hashes))


def as_table(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """The first rows of a table as metadata; values other than numbers and booleans become text."""
    kinds = {str(name): _kind(column) for name, column in frame.items()}
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in kinds.items()])
    rows = frame.head(_MOST_ROWS).to_dict("records")
    records = [
        dg.TableRecord({str(name): _plain(value, kinds[str(name)]) for name, value in row.items()}) for row in rows
    ]
    return dg.MetadataValue.table(records, schema)


def column_schema(table: Table) -> dict[str, dg.TableSchema]:
    """The columns of a table as the UI shows them with its asset."""
    columns = [dg.TableColumn(column.name, column.type, described(column)) for column in table.columns]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def as_counts(counts: Mapping[Any, float], what: str, of: str = "files") -> dg.TableMetadataValue:
    """Counts as a table of two columns, `what` and `of`."""
    return as_table(pd.DataFrame({what: list(counts), of: list(counts.values())}))


def as_image(*paths: Path) -> dg.MarkdownMetadataValue:
    """PNG files as metadata, one below another; missing files are left out."""
    data = [base64.b64encode(path.read_bytes()).decode() for path in paths if path.exists()]
    return dg.MetadataValue.md("\n\n".join(f"![image](data:image/png;base64,{d})" for d in data))


def as_numbers(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, float]:
    """The values under `names`, as numbers."""
    return {name: float(values[name]) for name in names}


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int"
    return "float" if pd.api.types.is_float_dtype(column) else "string"


def _plain(value: object, kind: str) -> str | int | float | bool | None:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    if kind == "string":
        return str(value)
    value = value.item() if isinstance(value, np.generic) else value
    return round(value, 4) if isinstance(value, float) else value  # type: ignore[return-value]
