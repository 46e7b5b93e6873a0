"""The stage as a whole on drawn patterns: planted errors come to the top, and what is kept says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score
from support.roots import small_root
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.label_quality.label_errors.find import find_label_errors, load_label_errors

COLUMNS = ["image_id", "given_region", "proposed_region", "rank", "kind", "error_probability"]


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def found(trained: Trained) -> pd.DataFrame:
    return load_label_errors(trained.paths).merge(trained.truth[["image_id", "truth", "planted"]], on="image_id")


def test_planted_flips_rank_clearly_above_chance(found: pd.DataFrame) -> None:
    among = found[found["planted"].isin(["", "flip"])]
    flipped = among["planted"] == "flip"
    assert average_precision_score(flipped, among["error_probability"]) > 5 * flipped.mean()
    assert among.loc[flipped, "error_probability"].median() > among.loc[~flipped, "error_probability"].quantile(0.9)


def test_missing_labels_are_all_listed_with_a_proposal(found: pd.DataFrame) -> None:
    missing = found[found["planted"] == "missing"]
    assert set(missing["kind"]) == {"missing_label"}
    assert (missing["proposed_region"] != "").all()
    assert found.loc[found["kind"] == "missing_label", "planted"].eq("missing").all()


def test_copies_with_two_labels_are_all_listed(found: pd.DataFrame) -> None:
    assert (found.loc[found["planted"] == "copy", "kind"] != "none").all()


def test_the_table_has_one_row_a_image_and_the_columns_others_rely_on(trained: Trained, found: pd.DataFrame) -> None:
    assert set(COLUMNS) <= set(found)
    assert sorted(found["image_id"]) == sorted(trained.truth["image_id"])
    assert sorted(found["rank"]) == list(range(1, len(found) + 1))
    assert found["error_probability"].between(0, 1).all()


def test_the_metrics_count_what_the_table_holds_and_estimate_the_noise(trained: Trained, found: pd.DataFrame) -> None:
    metrics = read_json(trained.paths.metrics("label_errors"))
    kept = {kind: int(n) for kind, n in metrics["kinds"].items() if n}
    assert kept == found["kind"].value_counts().to_dict()
    assert 0.02 < metrics["estimated_noise"] < 0.3  # planted: about 0.1
    assert trained.paths.plot("label_errors", "suspects.png").stat().st_size > 10_000


def test_the_same_root_gives_the_same_list(trained: Trained, tmp_path: Path) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    before = copy.paths.label_errors.read_bytes()
    find_label_errors(Root(copy.paths, copy.settings))
    assert copy.paths.label_errors.read_bytes() == before


def test_other_patients_neighbours_disagree_with_flipped_labels(found: pd.DataFrame) -> None:
    agreement = found.groupby("planted")["neighbour_agreement"].mean()
    assert agreement["flip"] < agreement[""]
    assert np.isnan(agreement["missing"])


def test_without_a_list_there_is_a_word_on_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="no list of label errors yet") as error:
        load_label_errors(small_root(tmp_path / "root"))
    assert "find-errors" in error.value.do
