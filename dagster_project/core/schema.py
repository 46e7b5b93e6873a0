"""The schema version that every table and model file carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dagster_project.core.errors import RayTruthError

SCHEMA = 2  # of version 0.2.0; files of version 0.1.0 carry none
KEY = "raytruth_schema"


def check_schema(found: Any, path: Path) -> None:
    """Raise RayTruthError unless `found`, the version in a file, is SCHEMA."""
    if str(found) == str(SCHEMA):
        return
    older = found is None or (str(found).isdigit() and int(found) < SCHEMA)
    raise RayTruthError(
        f"An {'older' if older else 'unknown'} version of RayTruth wrote this file (schema {found or 1}, not {SCHEMA})",
        where=f"{path.parent.name}/{path.name}",
        do="run `raytruth migrate`" if older else "use the version of RayTruth that wrote the file",
    )
