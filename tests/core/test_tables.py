"""Tables are written as they are declared."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.tables import check

from dagster_project.core.atomic_io import write_rows
from dagster_project.core.tables import Column, Table

TWO = Table("two.parquet", "", (Column("a", "int32", ""), Column("share", "float32", "", "0..1", (0, 1))))


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_value_out_of_its_limits_is_found(tmp_path: Path, share: float) -> None:
    write_rows(tmp_path / "two.parquet", pd.DataFrame({"a": [1], "share": [0.5]}), TWO)
    check(tmp_path / "two.parquet", TWO, ())
    write_rows(tmp_path / "two.parquet", pd.DataFrame({"a": [1], "share": [share]}), TWO)
    with pytest.raises(AssertionError, match="share"):
        check(tmp_path / "two.parquet", TWO, ())


def test_a_further_column_is_left_out_and_a_missing_one_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "two.parquet", pd.DataFrame({"share": [0.5], "more": [1], "a": [1]}), TWO)
    check(tmp_path / "two.parquet", TWO, ())
    with pytest.raises(KeyError, match="share"):
        write_rows(tmp_path / "two.parquet", pd.DataFrame({"a": [1]}), TWO)
