"""Every expectation fails for what it is about, with the number of rows and some of them, and for nothing else.

Great Expectations takes its time, so properties that have nothing to do with each other are broken in one table.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.good_batches import BATCH, ROWS
from support.roots import settings_of, where_found

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.tables import HEADERS
from dagster_project.intake.root import Root
from dagster_project.intake.validation.expectations import EXPECTATIONS, masked
from dagster_project.intake.validation.validate import CheckResult, load_validation, validate

pytestmark = pytest.mark.slow

UID, NAME = "1.2.276.0.7230010.3.1.4.8323329", "CANARY^JANE"
FUTURE, PAST = pd.Timestamp(2200, 1, 1), pd.Timestamp(1983, 12, 31)
NAMES = [e.name for e in EXPECTATIONS]


@dataclass(frozen=True)
class Break:
    """What breaks one expectation: the values that the first rows of one column get."""

    table: str
    column: str
    values: list[Any]
    more: dict[str, Any] = field(default_factory=dict)  # further columns of the same rows


BREAKS: dict[str, Break] = {
    "image_id_is_a_pseudonym": Break("one", "image_id", ["CANARY1", "A" * 32]),
    "patient_is_a_pseudonym": Break("one", "patient", ["CANARY2", "", None, "a" * 31]),
    "study_is_a_pseudonym": Break("one", "study", [UID]),
    "series_is_a_pseudonym": Break("one", "series", [UID, None]),
    "pixel_digest_is_a_pseudonym": Break("one", "pixel_digest", ["a" * 33, "b" * 64, "c" * 31 + "g"]),
    "batch_is_this_one": Break("one", "batch", ["april", "april"]),
    "modality_is_known": Break("one", "modality", ["CT"]),
    "sop_class_is_known": Break("one", "sop_class", ["SC", None]),
    "photometric_interpretation_is_known": Break("one", "photometric_interpretation", ["RGB", ""]),
    "transfer_syntax_is_standard": Break("one", "transfer_syntax", ["1.2.3", "", "1.2.840.10008.1.20"]),
    "rows_within_bounds": Break("one", "rows", [63]),
    "columns_within_bounds": Break("one", "columns", [10_001, 63]),
    "bits_stored_fit_allocated": Break("one", "bits_stored", [12] * 4, {"bits_allocated": 8}),
    "header_region_is_a_class": Break("one", "header_region", ["tail", "CANARY"]),
    "label_status_is_known": Break("one", "label_status", ["perhaps"]),
    "labels_agree": Break("one", "label_conflict", ["BodyPartExamined"] * 13),
    "view_position_is_known": Break("one", "view_position", ["SCHRAEG"]),
    "laterality_is_known": Break("one", "laterality", ["links", "X"]),
    "patient_sex_is_known": Break("one", "patient_sex", ["W"]),
    "age_decade_is_possible": Break("one", "age_decade", [10, -1]),
    "study_date_is_possible": Break("one", "study_date_shifted", [FUTURE, PAST]),
    "kvp_is_possible": Break("one", "kvp", [19.0, 151.0]),
    "manufacturer_holds_no_identity": Break("one", "manufacturer", [NAME]),
    "model_holds_no_identity": Break("one", "model", [f"DR {UID}", NAME]),
    "station_holds_no_identity": Break("one", "station", [NAME, UID, NAME]),
    "label_matched_holds_no_identity": Break("one", "label_matched", [f"knee {NAME}"]),
    "image_id_is_unique": Break("two", "image_id", ["0" * 32, "0" * 32]),
    "images_mostly_differ": Break("two", "pixel_digest", ["1" * 32] * 5),
    "bits_allocated_are_8_or_16": Break("two", "bits_allocated", [32, 12, 24], {"bits_stored": 12}),
    "labels_are_present": Break("two", "label_status", ["missing"] * 13),
    "several_regions": Break("two", "header_region", ["knee"] * ROWS),
    "study_date_is_mostly_known": Break("two", "study_date_shifted", [pd.NaT] * 5),
    "bits_stored_are_enough": Break("three", "bits_stored", [7, 1]),
    "labels_are_unambiguous": Break("three", "label_status", ["ambiguous"] * 7 + ["unmapped"] * 6),
    "columns_are_the_allowed_ones": Break("three", "patient_name", [NAME]),
}
# As far as a table may go without a check failing: shares at their bounds, and the extremes of every range.
ALLOWED = {
    "label_conflict": ["BodyPartExamined"] * 12,
    "label_status": ["missing"] * 12 + ["ambiguous"] * 6 + ["unmapped"] * 6,
    "study_date_shifted": [pd.NaT] * 4 + [pd.Timestamp(1984, 1, 1)],
    "pixel_digest": ["1" * 32] * 4,
    "rows": [64, 10_000],
    "kvp": [20.0, 150.0, float("nan")],
    "age_decade": [0, 9, None],
    "bits_stored": [8, 16],
    "header_region": [None, None],
    "modality": ["", "RG", "CR"],
    "station": ["(withheld)", "Raum 1.2.3"],
}


def with_values(table: pd.DataFrame, column: str, values: list[Any]) -> pd.DataFrame:
    """The table with the first rows of a column replaced; a column that is not there is made."""
    old = table[column].tolist() if column in table else [""] * len(table)
    kind = HEADERS.types.get(column, "string")
    return table.assign(**{column: pd.Series([*values, *old[len(values) :]], table.index).astype(kind)})


def checked(good: Paths, table: pd.DataFrame, folder: Path) -> Paths:
    """A copy of the root whose batch has this header table, validated."""
    paths = Paths(Path(shutil.copytree(good.root, folder, symlinks=True)))
    write_table(paths.headers(BATCH), table)
    validate(Root(paths, settings_of(paths)), BATCH)
    return paths


@pytest.fixture(scope="session")
def broken(good_root: Paths, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Paths]:
    """Validated roots by the name of the broken table."""
    tables = {name: read_table(good_root.headers(BATCH)) for name in ("one", "two", "three")}
    for change in BREAKS.values():
        table = with_values(tables[change.table], change.column, change.values)
        for column, value in change.more.items():
            table = with_values(table, column, [value] * len(change.values))
        tables[change.table] = table
    folder = tmp_path_factory.mktemp("broken")
    return {name: checked(good_root, table, folder / name) for name, table in tables.items()}


def results(paths: Paths) -> dict[str, CheckResult]:
    found = load_validation(paths, BATCH)
    assert found is not None
    return {check.name: check for check in found.checks}


def test_there_are_at_least_twenty_expectations_with_names_and_words_of_their_own() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 20
    assert len({e.says for e in EXPECTATIONS}) == len(NAMES)


def test_every_expectation_is_broken_here() -> None:
    assert set(NAMES) == {*BREAKS, "rows_match_the_shard"}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_wrong_in_a_column_fails_its_check_with_count_and_samples(name: str, broken: dict[str, Paths]) -> None:
    change = BREAKS[name]
    check = results(broken[change.table])[name]
    (declared,) = [e for e in EXPECTATIONS if e.name == name]
    assert not check.passed
    assert (check.blocking, check.says) == (declared.blocking, declared.says)
    if name in ("several_regions", "columns_are_the_allowed_ones"):
        assert check.message.startswith("found: ")
        return
    assert (check.rows, check.unexpected) == (ROWS, len(change.values))
    assert len(check.samples) == min(len(change.values), 5)
    assert all("image_id" in sample for sample in check.samples)


@pytest.mark.parametrize("table", ["one", "two", "three"])
def test_what_is_right_passes_beside_what_is_wrong(table: str, broken: dict[str, Paths]) -> None:
    failed = {name for name, check in results(broken[table]).items() if not check.passed}
    assert failed == {name for name, change in BREAKS.items() if change.table == table}


def test_no_sample_report_or_page_repeats_an_identity_that_got_into_the_table(broken: dict[str, Paths]) -> None:
    paths = broken["one"]
    for word in ("CANARY^", "CANARY1", "CANARY2", UID):
        assert where_found(word, paths.root, leave_out=("data/headers",)) == []
        assert where_found(word, paths.headers_dir) == [f"{BATCH}.parquet"]


def test_a_table_at_its_bounds_passes_every_check(good_root: Paths, tmp_path: Path) -> None:
    table = read_table(good_root.headers(BATCH))
    for column, values in ALLOWED.items():
        table = with_values(table, column, values)
    found = results(checked(good_root, table, tmp_path / "root"))
    assert [name for name, check in found.items() if not check.passed] == []


def test_rows_that_do_not_match_the_shard_and_a_column_that_is_gone_fail(good_root: Paths, tmp_path: Path) -> None:
    table = read_table(good_root.headers(BATCH)).drop(columns="kvp").iloc[:-1]
    found = results(checked(good_root, table, tmp_path / "root"))
    failed = {name: check.message for name, check in found.items() if not check.passed}
    assert set(failed) == {"rows_match_the_shard", "columns_are_the_allowed_ones", "kvp_is_possible"}
    assert failed["rows_match_the_shard"] == f"found: {ROWS - 1}"
    assert "kvp" in failed["columns_are_the_allowed_ones"]
    assert "kvp" in failed["kvp_is_possible"]
    assert found["rows_match_the_shard"].blocking


def test_a_good_table_is_not_changed_by_the_masking(good_root: Paths) -> None:
    table = read_table(good_root.headers(BATCH))
    pd.testing.assert_frame_equal(masked(table), table, check_dtype=False)


def test_rows_with_the_same_text_share_it_and_the_table_itself_stays_as_it_was() -> None:
    table = pd.DataFrame({"station": [f"ROOM{row % 3}" for row in range(99)], "patient": ["JANE"] * 99})
    before = table.copy()
    shown = masked(table)
    assert len({id(text) for text in shown["station"]}) == 3
    assert shown["patient"].tolist() == [f"no pseudonym in row {row}" for row in range(99)]
    pd.testing.assert_frame_equal(table, before)
