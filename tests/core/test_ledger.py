"""The ledger of verdicts: append-only, all or nothing, and the latest word on an image counts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import (
    CORRECTED_COLUMNS,
    LEDGER_COLUMNS,
    VERDICT_COLUMNS,
    Verdict,
    append_verdicts,
    begin_ledger,
    correct_labels,
    current_verdicts,
    load_corrected_labels,
    load_verdicts,
    migrate_ledger,
    update_corrected_labels,
    verified_head,
)
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import VerdictKind

REGIONS = ("hand", "knee", "foot")
DIE = """
import os, signal, sys
from pathlib import Path
from dagster_project.core.paths import Paths
from dagster_project.core.ledger import Verdict, append_verdicts
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # dies between writing and replacing
append_verdicts(Paths(Path(sys.argv[1])), [Verdict("b", "undetermined", "", "hand", "knee", "Dr B")], ("hand",))
"""

WRITE = """
import sys
from pathlib import Path
from dagster_project.core.paths import Paths
from dagster_project.core.ledger import Verdict, append_verdicts
for i in range(int(sys.argv[3])):
    verdict = Verdict(f"{sys.argv[2]}{i}", "undetermined", "", "hand", "knee", f"Dr {sys.argv[2]}")
    append_verdicts(Paths(Path(sys.argv[1])), [verdict], ("hand",))
    print(verdict.verdict_id, flush=True)
"""


def says(image: str, verdict: str = "wrong_label", region: str = "knee", reviewer: str = "Dr A") -> Verdict:
    region = region if verdict in ("wrong_label", "two_regions") else ""
    return Verdict(image, verdict, region, "hand", "knee", reviewer)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def test_verdicts_are_appended_and_never_changed(paths: Paths) -> None:
    assert append_verdicts(paths, [says("a"), says("b", "undetermined")], REGIONS) == 2
    before = load_verdicts(paths)
    assert append_verdicts(paths, [says("a", "given_is_right")], REGIONS) == 1
    after = load_verdicts(paths)
    assert list(after) == LEDGER_COLUMNS
    pd.testing.assert_frame_equal(after.iloc[:2], before)
    assert after["image_id"].tolist() == ["a", "b", "a"]


def test_the_same_verdict_again_adds_nothing(paths: Paths) -> None:
    verdict = says("a")
    append_verdicts(paths, [verdict], REGIONS)
    before = paths.verdicts.read_bytes()
    assert append_verdicts(paths, [verdict], REGIONS) == 0
    assert paths.verdicts.read_bytes() == before
    assert append_verdicts(paths, [verdict, says("b")], REGIONS) == 1


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
def test_one_malformed_verdict_and_none_is_recorded(paths: Paths, verdict: Verdict, problem: str) -> None:
    append_verdicts(paths, [says("a")], REGIONS)
    before = paths.verdicts.read_bytes()
    with pytest.raises(RayTruthError, match=problem) as error:
        append_verdicts(paths, [says("b"), verdict], REGIONS)
    assert error.value.where == "image bad"
    assert paths.verdicts.read_bytes() == before


@pytest.mark.slow
def test_a_process_killed_while_appending_leaves_the_ledger_as_it_was(paths: Paths) -> None:
    append_verdicts(paths, [says("a")], REGIONS)
    before = paths.verdicts.read_bytes()
    assert subprocess.run([sys.executable, "-c", DIE, str(paths.root)], check=False).returncode == -9
    assert paths.verdicts.read_bytes() == before
    assert append_verdicts(paths, [says("b")], REGIONS) == 1


def test_a_ledger_is_begun_once_and_rid_of_what_killed_processes_left(paths: Paths) -> None:
    leftover = paths.verdicts.with_name(".verdicts.123.tmp.parquet")
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_text("half")
    begin_ledger(paths)
    assert list(load_verdicts(paths).columns) == LEDGER_COLUMNS
    append_verdicts(paths, [says("a")], REGIONS)
    begin_ledger(paths)
    assert load_verdicts(paths)["image_id"].tolist() == ["a"]
    assert not leftover.exists()


@pytest.mark.slow
def test_verdicts_given_at_once_are_all_kept(paths: Paths) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: append_verdicts(paths, [says(f"{i:02d}")], REGIONS), range(24)))
    assert sorted(load_verdicts(paths)["image_id"]) == [f"{i:02d}" for i in range(24)]


@pytest.mark.parametrize(
    ("verdict", "region"),
    [("given_is_right", "hand"), ("wrong_label", "foot"), ("out_of_domain", ""), ("two_regions", "hand")],
)
def test_a_verdict_becomes_a_label(paths: Paths, verdict: str, region: str) -> None:
    append_verdicts(paths, [says("a", verdict, "foot")], REGIONS)
    row = update_corrected_labels(paths).iloc[0]
    assert row[["image_id", "verdict", "region", "given_region", "reviewer"]].tolist() == [
        *("a", verdict, region, "hand", "Dr A")
    ]


def test_the_latest_of_contradicting_verdicts_counts_and_undetermined_decides_nothing(paths: Paths) -> None:
    append_verdicts(paths, [says("b"), says("a", region="knee")], REGIONS)
    append_verdicts(paths, [says("a", region="foot", reviewer="Dr B"), says("c", "undetermined")], REGIONS)
    append_verdicts(paths, [says("a", "undetermined")], REGIONS)
    corrected = correct_labels(load_verdicts(paths))
    assert list(corrected) == CORRECTED_COLUMNS
    assert corrected[["image_id", "region", "reviewer"]].to_numpy().tolist() == [
        ["a", "foot", "Dr B"],
        ["b", "knee", "Dr A"],
    ]


def test_an_empty_ledger_gives_no_corrected_labels(paths: Paths) -> None:
    assert len(load_verdicts(paths)) == len(load_corrected_labels(paths)) == 0
    assert len(update_corrected_labels(paths)) == 0
    assert list(load_corrected_labels(paths)) == CORRECTED_COLUMNS


def test_the_same_ledger_gives_the_same_bytes(paths: Paths) -> None:
    append_verdicts(paths, [says("b"), says("a")], REGIONS)
    update_corrected_labels(paths)
    before = paths.corrected_labels.read_bytes()
    update_corrected_labels(paths)
    assert paths.corrected_labels.read_bytes() == before


def test_every_verdict_has_a_time_and_an_id_of_its_own() -> None:
    one, two = says("a"), says("a")
    assert one.verdict_id != two.verdict_id
    assert pd.Timestamp(one.at).utcoffset() == pd.Timedelta(0)


def retraction(of: Verdict, reviewer: str = "Dr A") -> Verdict:
    return Verdict(of.image_id, VerdictKind.RETRACTED, "", "hand", "knee", reviewer, retracts=of.verdict_id)


def changed(paths: Paths, change: str) -> None:
    """The ledger as somebody with an editor for parquet would leave it."""
    table = pd.read_parquet(paths.verdicts)
    if change == "a value":
        table.loc[1, "region"] = "foot"
    elif change == "a reviewer":
        table.loc[1, "reviewer"] = "Dr Z"
    elif change == "a removal":
        table = table.drop(index=1)
    elif change == "an order":
        table = table.iloc[[0, 2, 1]]
    elif change == "an insertion":
        table = pd.concat([table.iloc[:1], table.iloc[:1].assign(verdict_id="new"), table.iloc[1:]])
    table.to_parquet(paths.verdicts, index=False)


@pytest.mark.parametrize("change", ["a value", "a reviewer", "a removal", "an order", "an insertion"])
def test_a_changed_ledger_is_refused_wherever_it_is_read_and_left_as_it_is(paths: Paths, change: str) -> None:
    append_verdicts(paths, [says("a"), says("b"), says("c")], REGIONS)
    changed(paths, change)
    before = paths.verdicts.read_bytes()
    for use in (
        lambda: load_verdicts(paths),
        lambda: append_verdicts(paths, [says("d")], REGIONS),
        lambda: update_corrected_labels(paths),
        lambda: verified_head(paths),
        lambda: migrate_ledger(paths) or load_verdicts(paths),
    ):
        with pytest.raises(RayTruthError, match="chain breaks at entry 2 of") as error:
            use()
        assert "entry 2" in error.value.where
        assert error.value.do
    assert paths.verdicts.read_bytes() == before


def test_entries_cut_off_are_seen_by_a_hash_noted_earlier(paths: Paths) -> None:
    append_verdicts(paths, [says("a"), says("b")], REGIONS)
    entries, head = verified_head(paths)
    append_verdicts(paths, [says("c")], REGIONS)
    assert verified_head(paths, head)[0] == entries + 1
    pd.read_parquet(paths.verdicts).head(1).to_parquet(paths.verdicts, index=False)
    assert verified_head(paths)[0] == 1
    with pytest.raises(RayTruthError, match="does not contain the entry"):
        verified_head(paths, head)


def test_a_ledger_without_a_chain_is_refused_until_it_is_migrated(paths: Paths) -> None:
    append_verdicts(paths, [says("a"), says("b", "out_of_domain")], REGIONS)
    old = pd.read_parquet(paths.verdicts)[[column for column in VERDICT_COLUMNS if column != "retracts"]]
    old.to_parquet(paths.verdicts, index=False)
    with pytest.raises(RayTruthError, match="did not chain its entries") as error:
        append_verdicts(paths, [says("c")], REGIONS)
    assert "raytruth migrate" in error.value.do
    assert migrate_ledger(paths) == 2
    assert load_verdicts(paths)[list(old)].to_numpy().tolist() == old.to_numpy().tolist()
    assert migrate_ledger(paths) == 0
    assert append_verdicts(paths, [says("c")], REGIONS) == 1


def test_an_empty_ledger_of_older_days_is_just_empty(paths: Paths) -> None:
    paths.verdicts.parent.mkdir(parents=True)
    pd.DataFrame(columns=VERDICT_COLUMNS).astype("string").to_parquet(paths.verdicts, index=False)
    assert verified_head(paths) == (0, "")
    assert append_verdicts(paths, [says("a")], REGIONS) == 1
    assert verified_head(paths)[0] == 1


def test_a_file_that_is_no_table_is_refused(paths: Paths) -> None:
    append_verdicts(paths, [says("a")], REGIONS)
    paths.verdicts.write_bytes(paths.verdicts.read_bytes()[:-20])
    with pytest.raises(RayTruthError, match="cannot be read"):
        load_verdicts(paths)


def test_a_retracted_verdict_stays_in_the_ledger_and_no_longer_counts(paths: Paths) -> None:
    first, second = says("a", region="foot"), says("a", region="knee")
    append_verdicts(paths, [first, second, says("b")], REGIONS)
    append_verdicts(paths, [retraction(second)], REGIONS)
    ledger = load_verdicts(paths)
    assert ledger["verdict"].tolist() == ["wrong_label"] * 3 + [VerdictKind.RETRACTED]
    assert current_verdicts(ledger)["region"].tolist() == ["foot", "knee"]
    assert correct_labels(ledger)[["image_id", "region"]].to_numpy().tolist() == [["a", "foot"], ["b", "knee"]]
    append_verdicts(paths, [retraction(first)], REGIONS)
    assert update_corrected_labels(paths)["image_id"].tolist() == ["b"]


def test_reviewers_retract_only_their_own_verdicts_and_only_once(paths: Paths) -> None:
    said = says("a")
    append_verdicts(paths, [said], REGIONS)
    wrong = [retraction(said, "Dr B"), retraction(says("a")), replace(retraction(said), image_id="b")]
    wrong += [replace(retraction(said), retracts=""), replace(says("a"), retracts=said.verdict_id)]
    for verdict in wrong:
        with pytest.raises(RayTruthError, match="retract"):
            append_verdicts(paths, [verdict], REGIONS)
    retraction_of_a = retraction(said)
    assert [append_verdicts(paths, [retraction_of_a], REGIONS) for _ in range(2)] == [1, 0]
    with pytest.raises(RayTruthError, match="no such current verdict"):
        append_verdicts(paths, [retraction(said)], REGIONS)
    assert len(load_verdicts(paths)) == 2


def writer(paths: Paths, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE, str(paths.root), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_at_any_moment_no_acknowledged_verdict_is_lost(paths: Paths) -> None:
    moment, acknowledged = random.Random(5), []
    for name in ("x", "y", "z"):
        process = writer(paths, name, 10_000)
        acknowledged.append(process.stdout.readline().strip())
        time.sleep(moment.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
    ledger = load_verdicts(paths)
    assert set(acknowledged) <= set(ledger["verdict_id"])
    assert len(ledger) <= len(acknowledged) + 3, "at most one a kill was written and not yet said to be"
    append_verdicts(paths, [says("after")], REGIONS)
    assert sorted(path.name for path in paths.verdicts.parent.iterdir()) == [".verdicts.lock", "verdicts.parquet"]


@pytest.mark.slow
def test_two_processes_at_once_lose_none_and_make_one_chain(paths: Paths) -> None:
    both = [writer(paths, name, 12) for name in ("x", "y")]
    acknowledged = [line for process in both for line in process.communicate()[0].split()]
    ledger = load_verdicts(paths)
    assert sorted(ledger["verdict_id"]) == sorted(acknowledged)
    assert len(acknowledged) == 24
