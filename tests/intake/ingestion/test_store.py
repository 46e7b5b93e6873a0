"""Reading what was ingested: batches that are whole, their headers, their shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.archive import patients_of, put_batch

from dagster_project.core.atomic_io import write_array, write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import ingested_batches, load_headers, open_pixels


def test_a_batch_counts_as_ingested_when_it_has_headers_and_pixels(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert ingested_batches(paths) == []
    rows, images = patients_of([0, 1], seed=1)
    for batch in ("b", "a", "c", "d"):
        put_batch(paths, batch, rows, images)
    paths.pixels("c").unlink()
    paths.headers("d").unlink()
    assert ingested_batches(paths) == ["a", "b"]


def test_headers_come_with_plain_text_and_none(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    rows, images = patients_of([0, 5], seed=1, images=1)
    table = put_batch(paths, "a", rows, images)
    found = load_headers(paths, "a")
    assert found["image_id"].tolist() == table["image_id"].tolist()
    assert {type(value) for value in found["header_region"]} == {str, type(None)}


def test_a_shard_is_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    write_array(paths.pixels("a"), np.ones((2, 4, 4), np.uint8))
    shard = open_pixels(paths, "a")
    assert (type(shard), shard.shape) == (np.memmap, (2, 4, 4))
    with pytest.raises(ValueError, match="read-only"):
        shard[0] = 0


def test_a_half_written_table_beside_the_real_ones_is_no_batch(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    rows, images = patients_of([0], seed=1)
    put_batch(paths, "a", rows, images)
    write_table(paths.headers_dir / ".b.1.tmp.parquet", rows)
    assert ingested_batches(paths) == ["a"]
