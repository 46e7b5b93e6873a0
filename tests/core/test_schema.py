"""Tables and model files carry a schema version; another version's files are refused, with what to do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.core.atomic_io import read_card, read_table, write_card, write_json, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.schema import KEY, SCHEMA


def test_what_is_written_carries_the_version_and_is_read_again(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", pd.DataFrame({"a": [1]}))
    assert pq.read_schema(tmp_path / "a.parquet").metadata[KEY.encode()] == str(SCHEMA).encode()
    assert read_table(tmp_path / "a.parquet", ["a"])["a"].tolist() == [1]
    write_card(tmp_path / "card.json", {"a": 1})
    assert read_card(tmp_path / "card.json") == {"a": 1, KEY: SCHEMA}


@pytest.mark.parametrize(
    ("version", "kind", "do"),
    [(1, "older", "raytruth migrate"), (SCHEMA + 1, "unknown", "use the version"), ("x", "unknown", "use the version")],
)
def test_files_of_another_version_are_refused(tmp_path: Path, version: object, kind: str, do: str) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({KEY: str(version)})
    pq.write_table(table, tmp_path / "a.parquet")
    write_json(tmp_path / "card.json", {"a": 1, KEY: version})
    for read, path in ((read_table, tmp_path / "a.parquet"), (read_card, tmp_path / "card.json")):
        with pytest.raises(RayTruthError, match=f"{kind} version of RayTruth") as error:
            read(path)
        assert do in error.value.do


def test_a_card_without_a_version_is_an_older_one(tmp_path: Path) -> None:
    write_json(tmp_path / "card.json", {"a": 1})
    with pytest.raises(RayTruthError, match="n older version"):
        read_card(tmp_path / "card.json")
