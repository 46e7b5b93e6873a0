"""The ingestion's tables: their columns, their types, and that the same rows give the same table in any order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.dicoms import radiograph, save
from support.exports import BATCH
from support.readers import HEADERS, PSEUDONYMS, source_file
from support.roots import params_of

from dagster_project.files import read_table
from dagster_project.ingestion.batch import ingest
from dagster_project.ingestion.passes import FileRead
from dagster_project.ingestion.staged_pixels import StagedPicture
from dagster_project.ingestion.tables import (
    FILE_COLUMNS,
    HEADER_COLUMNS,
    IDENTITY_COLUMNS,
    LABEL_TEXT_COLUMNS,
    QUARANTINE_COLUMNS,
    batch_tables,
)
from dagster_project.layout import Layout

COLUMNS = {
    "headers": HEADER_COLUMNS,
    "identities": IDENTITY_COLUMNS,
    "label_texts": LABEL_TEXT_COLUMNS,
    "files": FILE_COLUMNS,
    "quarantine": QUARANTINE_COLUMNS,
}


@pytest.fixture
def reads(tmp_path: Path) -> list[FileRead]:
    """Three usable files, one of them with a warning, and a refused one."""
    paths = [save(radiograph(i), tmp_path / f"{i}.dcm") for i in range(2)]
    paths.append(save(radiograph(2, StudyDate=None, PatientBirthDate=None), tmp_path / "2.dcm"))
    (tmp_path / "3.dcm").write_text("no picture")
    files = [source_file(path) for path in (*paths, tmp_path / "3.dcm")]
    found = [FileRead(file, PSEUDONYMS.of("file", file.relative), HEADERS(file)) for file in files]
    for number, read in enumerate(found[:3]):
        read.pixels = StagedPicture([], number, f"pixels {number}", f"file {number}")
    return found


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("count", [0, 3])
def test_a_table_has_just_its_columns_and_types_also_without_rows(name: str, count: int, reads: list[FileRead]) -> None:
    table = batch_tables(reads[: count and 4], reads[:count], "march", PSEUDONYMS)[name]
    assert {column: str(kind) for column, kind in table.dtypes.items()} == COLUMNS[name]


def test_a_table_does_not_depend_on_the_order_of_the_files(reads: list[FileRead]) -> None:
    forth = batch_tables(reads, reads[:3], "march", PSEUDONYMS)
    back = batch_tables(reads[::-1], reads[:3][::-1], "march", PSEUDONYMS)
    for name, table in forth.items():
        pd.testing.assert_frame_equal(table, back[name])


def test_what_is_missing_is_missing_and_not_a_word(reads: list[FileRead]) -> None:
    headers = batch_tables(reads, reads[:3], "march", PSEUDONYMS)["headers"]
    row = headers[headers["warnings"] == "bad_date"].iloc[0]
    assert row[["study_date_shifted", "age_decade", "kvp", "label_conflict_region"]].isna().all()


def test_every_file_stands_in_files_and_all_but_the_plainly_accepted_in_quarantine(reads: list[FileRead]) -> None:
    tables = batch_tables(reads, reads[:3], "march", PSEUDONYMS)
    assert sorted(tables["files"]["verdict"]) == ["accept", "accept", "accept_warn", "quarantine"]
    assert sorted(tables["quarantine"]["verdict"]) == ["quarantine", "warn"]
    assert len(tables["headers"]) == len(tables["identities"]) == 3
    assert set(tables["label_texts"]["attribute"]) == {"AnatomicRegionSequence[0]", "BodyPartExamined"}


def test_no_table_in_the_open_has_a_column_for_an_identity() -> None:
    private = set(IDENTITY_COLUMNS) - {"image_id", "batch"}
    assert not private & (set(HEADER_COLUMNS) | set(QUARANTINE_COLUMNS))


def test_a_path_that_is_no_text_can_be_stored(reads: list[FileRead], tmp_path: Path) -> None:
    odd = type(reads[0].file)("/x/caf\udce9.dcm", "caf\udce9.dcm", 0)
    reads[0].file = odd
    tables = batch_tables(reads, reads[:3], "march", PSEUDONYMS)
    tables["files"].to_parquet(tmp_path / "files.parquet")
    assert "/x/caf\\xe9.dcm" in tables["files"]["path"].tolist()
    assert "/x/caf\\xe9.dcm" in tables["identities"]["path"].tolist()


def test_the_same_pictures_in_another_batch_have_the_same_names_and_other_file_ids(root: Layout, export: Path) -> None:
    other = Path(root.root / "data" / "inbox" / "april")
    for seed in (3, 4):
        save(radiograph(seed), other / f"{seed}.dcm")
    ingest(root, params_of(root), other, "april")
    march, april = (read_table(root.headers(batch)) for batch in (BATCH, "april"))
    assert set(april["image_id"]) < set(march["image_id"])
    both = march.merge(april, on="image_id")
    assert (both["pixel_digest_x"] == both["pixel_digest_y"]).all()
    assert (both["patient_x"] == both["patient_y"]).all()
    files = read_table(root.files)
    assert files["file_id"].is_unique
    assert read_table(root.identities)["image_id"].duplicated().sum() == 2
