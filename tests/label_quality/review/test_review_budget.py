"""What reading on is worth: sums that add up, intervals that hold, and the reviewer's own curve laid over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.roots import settings_of, small_root
from support.suspicious import suspicious_root
from typer.testing import CliRunner

from dagster_project.cli.main import app
from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.label_quality.review.review_budget import estimate_review_budget, expected_yield
from dagster_project.label_quality.review.stopping_rule import STOP_AFTER

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> tuple[Paths, pd.DataFrame]:
    return suspicious_root(tmp_path / "root", patients=160)


def read(paths: Paths, rows: pd.DataFrame, first: int, last: int) -> None:
    """A reviewer who is right reads the list from place `first` on, before `last`."""
    ranked = read_table(paths.label_errors).sort_values("rank").iloc[first:last]
    known = ranked.merge(rows[["image_id", "truth"]], on="image_id")
    columns = (known[name] for name in ("image_id", "given_region", "proposed_region", "truth"))
    said = [
        Verdict(i, "given_is_right" if g == t else "wrong_label", "" if g == t else t, g, s, "Dr A")
        for i, g, s, t in zip(*columns, strict=True)
    ]
    append_verdicts(paths, said, load_taxonomy(paths.root / settings_of(paths).regions).regions)


def test_before_anything_is_read_the_list_says_what_is_to_come_and_what_it_costs(
    root: tuple[Paths, pd.DataFrame],
) -> None:
    paths, _ = root
    result = estimate_review_budget(paths)
    expected = read_table(paths.label_errors).sort_values("rank")["error_probability"].to_numpy()
    assert (result.reviewed, result.found, result.check, result.unreviewed) == (0, 0, None, len(expected))
    assert result.expected.value == pytest.approx(expected.sum())
    assert result.per_hundred == pytest.approx([expected[i : i + 100].sum() for i in range(0, 320, 100)], abs=0.01)
    n = result.images_to_90
    assert expected[: n - 1].sum() < 0.9 * expected.sum() <= expected[:n].sum() + 1e-9


def test_what_was_found_is_counted_against_what_was_expected_of_the_same_images(
    root: tuple[Paths, pd.DataFrame],
) -> None:
    paths, rows = root
    before = estimate_review_budget(paths)
    read(paths, rows, 0, 30)
    after = estimate_review_budget(paths)
    planted = int((rows["header_region"] != rows["truth"]).sum())
    assert (after.reviewed, after.found, after.unreviewed) == (30, min(planted, 30), before.unreviewed - 30)
    assert after.check is not None
    assert (after.check.reviewed, after.check.found) == (30, after.found)
    assert after.check.expected.value + after.expected.value == pytest.approx(before.expected.value)
    assert after.images_to_90 < before.images_to_90
    stored = read_json(paths.metrics("review_budget"))
    assert stored["found"] == after.found
    assert paths.plot("review_budget", "yield.png").stat().st_size > 10_000


def test_images_read_before_the_list_was_made_are_counted_but_not_judged_by_it(
    root: tuple[Paths, pd.DataFrame],
) -> None:
    paths, rows = root
    read(paths, rows, 0, 10)
    from dagster_project.core.ledger import update_corrected_labels

    update_corrected_labels(paths)
    build_training_set(Root(paths, settings_of(paths)))
    assert estimate_review_budget(paths).check is None
    read(paths, rows, 10, 14)
    result = estimate_review_budget(paths)
    assert result.reviewed == 14
    assert result.check is not None
    assert result.check.reviewed == 4


def test_a_long_run_without_an_error_says_that_it_is_enough(root: tuple[Paths, pd.DataFrame]) -> None:
    paths, rows = root
    planted = int((rows["header_region"] != rows["truth"]).sum())
    read(paths, rows, 0, planted + STOP_AFTER - 1)
    result = estimate_review_budget(paths)
    assert (result.run_without_error, result.enough) == (STOP_AFTER - 1, False)
    read(paths, rows, planted + STOP_AFTER - 1, planted + STOP_AFTER)
    assert estimate_review_budget(paths).enough
    shown = CliRunner().invoke(app, ["--root", str(paths.root), "review-budget"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert f"{STOP_AFTER}; stop at {STOP_AFTER} (now)" in shown.output


def test_so_long_a_run_by_chance_is_as_rare_as_said() -> None:
    assert 0.948 < 1 - 0.95**STOP_AFTER < 0.952


@pytest.mark.parametrize("together", [False, True])
def test_the_interval_holds_whether_or_not_a_patient_s_errors_come_together(together: bool) -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(150), 3)
    probability = np.sort(rng.beta(0.5, 2, 450))[::-1]
    groups = rng.permutation(groups)
    last = expected_yield(probability, groups).iloc[-1]
    held = []
    for _ in range(500):
        drawn = rng.random(150)[groups] if together else rng.random(450)
        held.append(last["low"] <= (drawn < probability).sum() <= last["high"])
    assert 0.93 <= np.mean(held) <= (0.97 if together else 1)


def test_the_curve_rises_to_the_sum_within_its_interval() -> None:
    curve = expected_yield(np.linspace(1, 0, 300), np.arange(300) // 2)
    assert curve.iloc[0].tolist() == [0, 0, 0, 0]
    assert curve["expected"].is_monotonic_increasing
    assert curve["expected"].iloc[-1] == pytest.approx(150)
    assert (curve["low"] <= curve["expected"]).all()
    assert (curve["high"] <= curve["reviewed"]).all()


def test_an_empty_list_costs_nothing() -> None:
    assert expected_yield(np.empty(0), np.empty(0)).to_numpy().tolist() == [[0, 0, 0, 0]]


def test_without_a_list_there_is_a_word_on_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="no list of label errors yet"):
        estimate_review_budget(small_root(tmp_path / "root"))
