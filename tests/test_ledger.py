"""The ledger of verdicts: append-only, all or nothing, and the latest word on a picture counts."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.errors import RayTruthError
from dagster_project.layout import Layout
from dagster_project.ledger import (
    CORRECTED_COLUMNS,
    VERDICT_COLUMNS,
    Verdict,
    append_verdicts,
    begin_ledger,
    correct_labels,
    load_corrected_labels,
    load_verdicts,
    update_corrected_labels,
)

REGIONS = ("hand", "knee", "foot")
DIE = """
import os, signal, sys
from pathlib import Path
import dagster_project.files as files
from dagster_project.layout import Layout
from dagster_project.ledger import Verdict, append_verdicts
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # dies between writing and replacing
append_verdicts(Layout(Path(sys.argv[1])), [Verdict("b", "cannot_tell", "", "hand", "knee", "Dr B")], ("hand",))
"""


def says(image: str, verdict: str = "wrong_label", region: str = "knee", reviewer: str = "Dr A") -> Verdict:
    region = region if verdict in ("wrong_label", "two_regions") else ""
    return Verdict(image, verdict, region, "hand", "knee", reviewer)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_verdicts_are_appended_and_never_changed(layout: Layout) -> None:
    assert append_verdicts(layout, [says("a"), says("b", "cannot_tell")], REGIONS) == 2
    before = load_verdicts(layout)
    assert append_verdicts(layout, [says("a", "given_is_right")], REGIONS) == 1
    after = load_verdicts(layout)
    assert list(after) == VERDICT_COLUMNS
    pd.testing.assert_frame_equal(after.iloc[:2], before)
    assert after["image_id"].tolist() == ["a", "b", "a"]


def test_the_same_verdict_again_adds_nothing(layout: Layout) -> None:
    verdict = says("a")
    append_verdicts(layout, [verdict], REGIONS)
    before = layout.verdicts.read_bytes()
    assert append_verdicts(layout, [verdict], REGIONS) == 0
    assert layout.verdicts.read_bytes() == before
    assert append_verdicts(layout, [verdict, says("b")], REGIONS) == 1


@pytest.mark.parametrize(
    ("verdict", "problem"),
    [
        (replace(says("bad"), verdict="maybe"), "unknown verdict 'maybe'"),
        (says("bad", region="elbow"), "not 'elbow'"),
        (says("bad", region=""), "needs a region"),
        (says("bad", "two_regions", ""), "needs a region"),
        (replace(says("bad", "out_of_domain"), region="knee"), "takes no region"),
        (says("bad", reviewer=" "), "no reviewer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_malformed_verdict_and_none_is_recorded(layout: Layout, verdict: Verdict, problem: str) -> None:
    append_verdicts(layout, [says("a")], REGIONS)
    before = layout.verdicts.read_bytes()
    with pytest.raises(RayTruthError, match=problem) as error:
        append_verdicts(layout, [says("b"), verdict], REGIONS)
    assert error.value.where == "image bad"
    assert layout.verdicts.read_bytes() == before


def test_a_process_killed_while_appending_leaves_the_ledger_as_it_was(layout: Layout) -> None:
    append_verdicts(layout, [says("a")], REGIONS)
    before = layout.verdicts.read_bytes()
    assert subprocess.run([sys.executable, "-c", DIE, str(layout.root)], check=False).returncode == -9
    assert layout.verdicts.read_bytes() == before
    assert append_verdicts(layout, [says("b")], REGIONS) == 1


def test_a_ledger_is_begun_once_and_rid_of_what_killed_processes_left(layout: Layout) -> None:
    leftover = layout.verdicts.with_name(".verdicts.123.tmp.parquet")
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_text("half")
    begin_ledger(layout)
    assert list(load_verdicts(layout).columns) == VERDICT_COLUMNS
    append_verdicts(layout, [says("a")], REGIONS)
    begin_ledger(layout)
    assert load_verdicts(layout)["image_id"].tolist() == ["a"]
    assert not leftover.exists()


def test_verdicts_given_at_once_are_all_kept(layout: Layout) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: append_verdicts(layout, [says(f"{i:02d}")], REGIONS), range(24)))
    assert sorted(load_verdicts(layout)["image_id"]) == [f"{i:02d}" for i in range(24)]


@pytest.mark.parametrize(
    ("verdict", "region"),
    [("given_is_right", "hand"), ("wrong_label", "foot"), ("out_of_domain", ""), ("two_regions", "hand")],
)
def test_a_verdict_becomes_a_label(layout: Layout, verdict: str, region: str) -> None:
    append_verdicts(layout, [says("a", verdict, "foot")], REGIONS)
    row = update_corrected_labels(layout).iloc[0]
    assert row[["image_id", "verdict", "region", "given_region", "reviewer"]].tolist() == [
        *("a", verdict, region, "hand", "Dr A")
    ]


def test_the_latest_of_contradicting_verdicts_counts_and_cannot_tell_decides_nothing(layout: Layout) -> None:
    append_verdicts(layout, [says("b"), says("a", region="knee")], REGIONS)
    append_verdicts(layout, [says("a", region="foot", reviewer="Dr B"), says("c", "cannot_tell")], REGIONS)
    append_verdicts(layout, [says("a", "cannot_tell")], REGIONS)
    corrected = correct_labels(load_verdicts(layout))
    assert list(corrected) == CORRECTED_COLUMNS
    assert corrected[["image_id", "region", "reviewer"]].to_numpy().tolist() == [
        ["a", "foot", "Dr B"],
        ["b", "knee", "Dr A"],
    ]


def test_an_empty_ledger_gives_no_corrected_labels(layout: Layout) -> None:
    assert len(load_verdicts(layout)) == len(load_corrected_labels(layout)) == 0
    assert len(update_corrected_labels(layout)) == 0
    assert list(load_corrected_labels(layout)) == CORRECTED_COLUMNS


def test_the_same_ledger_gives_the_same_bytes(layout: Layout) -> None:
    append_verdicts(layout, [says("b"), says("a")], REGIONS)
    update_corrected_labels(layout)
    before = layout.corrected_labels.read_bytes()
    update_corrected_labels(layout)
    assert layout.corrected_labels.read_bytes() == before


def test_every_verdict_has_a_time_and_an_id_of_its_own() -> None:
    one, two = says("a"), says("a")
    assert one.verdict_id != two.verdict_id
    assert pd.Timestamp(one.at).utcoffset() == pd.Timedelta(0)
