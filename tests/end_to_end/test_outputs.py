"""Every table of a whole run is one that docs/outputs.md names, with its columns, types, values and limits."""

from __future__ import annotations

import pytest
from support.roots import settings_of
from support.tables import check, declared

from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.outputs import TABLES

ELSEWHERE = {"predictions.parquet"}  # written where a user says


@pytest.mark.slow
def test_the_tables_of_a_whole_run_are_as_declared(learned: Paths) -> None:
    regions = Root(learned, settings_of(learned)).taxonomy.regions
    seen = set()
    for path in sorted(learned.root.rglob("*.parquet")):
        table = declared(path.relative_to(learned.root).as_posix())
        check(path, table, regions)
        seen.add(table.path)
    assert seen == {table.path for table in TABLES} - ELSEWHERE
