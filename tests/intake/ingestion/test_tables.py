"""The ingestion's tables: their columns, their types, and that the same rows give the same table in any order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.dicoms import radiograph, save
from support.exports import BATCH
from support.readers import HEADERS, PSEUDONYMS, source_file
from support.roots import settings_of

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch import tables
from dagster_project.intake.ingestion.batch.batch_index import batch_index
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.staged_pixels import StagedImage
from dagster_project.intake.ingestion.batch.tables import batch_tables
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.root import Root

COLUMNS = {
    "headers": tables.HEADERS.types,
    "identities": tables.IDENTITIES.types,
    "label_texts": tables.LABEL_TEXTS.types,
    "patient_evidence": tables.PATIENT_EVIDENCE.types,
    "files": tables.FILES.types,
    "quarantine": tables.QUARANTINE.types,
}


@pytest.fixture
def files(tmp_path: Path) -> list[SourceFile]:
    """Three usable files, one of them with a warning, and a refused one."""
    paths = [save(radiograph(i), tmp_path / f"{i}.dcm") for i in range(2)]
    paths.append(save(radiograph(2, StudyDate=None, PatientBirthDate=None), tmp_path / "2.dcm"))
    (tmp_path / "3.dcm").write_text("no image")
    return [source_file(path) for path in (*paths, tmp_path / "3.dcm")]


def tables_of(files: list[SourceFile], folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of some files, whose images are not read."""
    with batch_index(folder / "index.sqlite") as index:
        for number, file in enumerate(files):
            index.add_header(number, PSEUDONYMS.of("file", file.relative), file.path, HEADERS(file))
        for number in index.with_header():
            name = ascii(files[number].relative)
            index.add_image(number, StagedImage([], number, f"pixels {name}", f"file {name}"))
        index.settle()
        return {name: pd.concat(list(blocks)) for name, blocks in batch_tables(index, "march", PSEUDONYMS).items()}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("count", [0, 4])
def test_a_table_has_just_its_columns_and_types_also_without_rows(
    name: str, count: int, files: list[SourceFile], tmp_path: Path
) -> None:
    table = tables_of(files[:count], tmp_path)[name]
    assert {column: str(kind) for column, kind in table.dtypes.items()} == COLUMNS[name]


def test_a_table_does_not_depend_on_the_order_of_the_files(files: list[SourceFile], tmp_path: Path) -> None:
    forth, back = tables_of(files, tmp_path), tables_of(files[::-1], tmp_path)
    for name, table in forth.items():
        pd.testing.assert_frame_equal(table, back[name])


def test_tables_are_sorted_and_their_blocks_end_where_rows_do(
    files: list[SourceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tables_of(files, tmp_path)
    monkeypatch.setattr(tables, "_BLOCK", 2)
    for name, table in tables_of(files, tmp_path).items():
        pd.testing.assert_frame_equal(table.reset_index(drop=True), whole[name].reset_index(drop=True))
        by = [
            column
            for column in ("image_id", "kind", "file_id", "patient", "attribute", "evidence", "value")
            if column in table
        ][:2]
        pd.testing.assert_frame_equal(table, table.sort_values(by, kind="stable"))


def test_what_is_missing_is_missing_and_not_a_word(files: list[SourceFile], tmp_path: Path) -> None:
    headers = tables_of(files, tmp_path)["headers"]
    row = headers[headers["warnings"] == "bad_date"].iloc[0]
    assert row[["study_date_shifted", "age_decade", "kvp", "label_conflict_region"]].isna().all()


def test_every_file_stands_in_files_and_all_but_the_plainly_accepted_in_quarantine(
    files: list[SourceFile], tmp_path: Path
) -> None:
    found = tables_of(files, tmp_path)
    assert sorted(found["files"]["verdict"]) == ["accept", "accept", "accept_warn", "quarantine"]
    assert sorted(found["quarantine"]["verdict"]) == ["quarantine", "warn"]
    assert len(found["headers"]) == len(found["identities"]) == 3
    assert set(found["label_texts"]["attribute"]) == {"AnatomicRegionSequence[0]", "BodyPartExamined"}


def test_no_table_in_the_open_has_a_column_for_an_identity() -> None:
    private = set(tables.IDENTITIES.types) - {"image_id", "batch"}
    assert not private & (set(tables.HEADERS.types) | set(tables.QUARANTINE.types) | set(tables.PATIENT_EVIDENCE.types))


def test_a_path_that_is_no_text_can_be_stored(files: list[SourceFile], tmp_path: Path) -> None:
    odd = Path(files[0].path).rename(tmp_path / "caf\udce9.dcm")
    found = tables_of([source_file(odd)], tmp_path)
    write_table(tmp_path / "files.parquet", found["files"])
    for name in ("files", "identities"):
        assert found[name]["path"].tolist() == [str(tmp_path / "caf\\xe9.dcm")]


def test_the_same_images_in_another_batch_have_the_same_names_and_other_file_ids(root: Paths, export: Path) -> None:
    other = Path(root.root / "data" / "inbox" / "april")
    for seed in (3, 4):
        save(radiograph(seed), other / f"{seed}.dcm")
    ingest(Root(root, settings_of(root)), other, "april")
    march, april = (read_table(root.headers(batch)) for batch in (BATCH, "april"))
    assert set(april["image_id"]) < set(march["image_id"])
    both = march.merge(april, on="image_id")
    assert (both["pixel_digest_x"] == both["pixel_digest_y"]).all()
    assert (both["patient_x"] == both["patient_y"]).all()
    files = read_table(root.files)
    assert files["file_id"].is_unique
    assert read_table(root.identities)["image_id"].duplicated().sum() == 2
