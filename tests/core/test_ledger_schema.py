"""A ledger of schema 1 is verified, read, extended and guarded; its entries keep their names, values and hashes.

`data/ledger_schema_1.parquet` was written by the code of commit 90ef91f, the last one of schema 1; HEADS are the hashes
of its last entry after three, six and eight entries, as that code printed them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import (
    LEDGER_COLUMNS,
    Verdict,
    append_verdicts,
    correct_labels,
    current_verdicts,
    load_verdicts,
    migrate_ledger,
    verified_head,
)
from dagster_project.core.paths import Paths

OLD = Path(__file__).parent / "data" / "ledger_schema_1.parquet"
HEADS = (
    "3c9d3cdd8556ac8d7c1bfcd7a0c5fe6abe9affcbd163c1930df46ff8ebd8ebee",
    "436cf03b27d4d57b5c1ce75529f3fcf6e2d31356fc96bfbf299c665a297d642d",
    "c55014a2d583a9263717b65485f1985ebee4a7095c1210b20769ab58c820fc0a",
)
REGIONS = ("hand", "knee", "foot")
FIRST, LAST_RETRACTABLE = f"{1:032x}", f"{5:032x}"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.verdicts.parent.mkdir(parents=True)
    shutil.copy(OLD, paths.verdicts)
    return paths


def new_verdict(image: str = "g", verdict: str = "undetermined", **more: str) -> Verdict:
    reviewer = "Dr Müller" if more else "Dr A"
    return Verdict(image, verdict, "", "hand", "knee", reviewer, model_version="new", **more)


def test_it_verifies_and_every_noted_head_is_found(paths: Paths) -> None:
    before = paths.verdicts.read_bytes()
    for head in HEADS:
        assert verified_head(paths, head) == (8, HEADS[-1])
    assert paths.verdicts.read_bytes() == before
    with pytest.raises(RayTruthError, match="does not contain"):
        verified_head(paths, "0" * 64)


def test_it_reads_under_the_names_of_today(paths: Paths) -> None:
    table = load_verdicts(paths)
    assert list(table) == LEDGER_COLUMNS
    assert table["verdict"].tolist() == [
        *("wrong_label", "given_is_right", "undetermined", "two_regions", "out_of_domain", "wrong_label"),
        *("retracted", "given_is_right"),
    ]
    assert table["retracts"].tolist() == [""] * 6 + [f"{6:032x}", ""]
    assert set(table["model_version"]) == {"m" * 8}
    assert set(table["schema"]) == {"1"}
    assert table["sample"].tolist() == [""] * 7 + ["1/100/2000/abc"]
    assert len(current_verdicts(table)) == 6, "the retracted verdict and the retraction count no longer"
    assert dict(zip(*correct_labels(table)[["image_id", "region"]].to_numpy().T, strict=True)) == {
        "a": "knee",
        "b": "hand",
        "d": "hand",
        "e": "",
        "f": "hand",
    }


def test_new_entries_chain_on_and_old_ones_keep_their_names_values_and_hashes(paths: Paths) -> None:
    old = pd.read_parquet(OLD)
    new = [new_verdict(), new_verdict("e", "retracted", retracts=LAST_RETRACTABLE)]
    assert append_verdicts(paths, new, REGIONS) == 2
    stored = pd.read_parquet(paths.verdicts)
    assert stored[list(old)].head(8).to_numpy().tolist() == old.to_numpy().tolist()
    assert (stored["schema"].tolist(), stored["model"].tolist()[8:]) == ([""] * 8 + ["2"] * 2, [""] * 2)
    assert stored["previous_hash"][8] == HEADS[-1]
    assert verified_head(paths, HEADS[0])[0] == 10
    table = load_verdicts(paths)
    assert table[["verdict", "retracts", "model_version", "schema"]].iloc[8:].to_numpy().tolist() == [
        ["undetermined", "", "new", "2"],
        ["retracted", LAST_RETRACTABLE, "new", "2"],
    ]
    assert "e" not in set(correct_labels(table)["image_id"]), "a new entry retracts an old verdict"
    assert append_verdicts(paths, [new_verdict(verdict_id=FIRST)], REGIONS) == 0, "old ids are known"


def test_a_ledger_of_today_has_no_column_of_schema_1(tmp_path: Path) -> None:
    append_verdicts(Paths(tmp_path), [new_verdict()], REGIONS)
    assert list(pd.read_parquet(Paths(tmp_path).verdicts)) == LEDGER_COLUMNS


def cell(row: int, column: str, value: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        (cell(0, "region", "foot"), 1),
        (cell(2, "verdict", "undetermined"), 3),
        (cell(2, "schema", "2"), 3),
        (cell(6, "retracts", f"{5:032x}"), 7),
        (cell(8, "schema", ""), 9),
        (cell(8, "withdraws", FIRST), 9),
        (lambda table: table.drop(index=7), 8),
        (lambda table: table.drop(columns="withdraws"), 7),
        (lambda table: table.drop(columns=["model_version"]).rename(columns={"model": "model_version"}), 1),
    ],
)
def test_a_change_of_an_old_or_new_entry_is_named(
    paths: Paths, change: Callable[[pd.DataFrame], pd.DataFrame], entry: int
) -> None:
    append_verdicts(paths, [new_verdict()], REGIONS)
    change(pd.read_parquet(paths.verdicts)).to_parquet(paths.verdicts, index=False)
    for use in (load_verdicts, verified_head, lambda paths: append_verdicts(paths, [new_verdict("h")], REGIONS)):
        with pytest.raises(RayTruthError, match=f"chain breaks at entry {entry} of"):
            use(paths)


def test_entries_of_a_newer_version_are_refused_as_such(paths: Paths) -> None:
    append_verdicts(paths, [new_verdict()], REGIONS)
    cell(8, "schema", "3")(pd.read_parquet(paths.verdicts)).to_parquet(paths.verdicts, index=False)
    with pytest.raises(RayTruthError, match=r"newer version of RayTruth \(schema 3\)"):
        load_verdicts(paths)


def test_migration_chains_an_unchained_ledger_with_the_same_hashes_and_leaves_a_chained_one(paths: Paths) -> None:
    before = paths.verdicts.read_bytes()
    assert migrate_ledger(paths) == 0
    assert paths.verdicts.read_bytes() == before
    pd.read_parquet(OLD).drop(columns=["previous_hash", "entry_hash"]).to_parquet(paths.verdicts, index=False)
    assert migrate_ledger(paths) == 8
    assert verified_head(paths, HEADS[0]) == (8, HEADS[-1])
    assert load_verdicts(paths)["verdict"].tolist()[2] == "undetermined"
