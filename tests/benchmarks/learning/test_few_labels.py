"""The benchmark of self-training: what it hides is hidden."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.trained import Trained, trained_root

from benchmarks.learning.few_labels import predictions, with_few_labels
from dagster_project.core.atomic_io import read_json
from dagster_project.intake.root import Root
from dagster_project.learning.evaluation.labelled import load_labelled_set


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.mark.slow
def test_in_the_copy_only_the_share_has_labels_and_the_rest_has_pseudo_labels(trained: Trained, tmp_path: Path) -> None:
    copy = with_few_labels(trained.paths, tmp_path / "root", 0.2, seed=0)
    before, after = (load_labelled_set(Root(paths, trained.settings)) for paths in (trained.paths, copy))
    assert len(after.train) == pytest.approx(0.2 * len(before.train), rel=0.3)
    assert set(after.train) <= set(before.train)
    assert (after.labels[after.train] == before.labels[after.train]).all()
    assert len(after.test) == len(before.test)
    assert len(after.validation) == len(before.validation)
    found = predictions(Root(copy, trained.settings), 0)
    card = read_json(copy.encoder("encoder_supcon") / "card.json")
    assert card["labels_seen"] == len(after.train)
    assert card["pseudo_labels_seen"] > 0
    assert found.groupby("model").size().nunique() == 1
    assert (found["region"] == found["given"]).mean() > 0.3, "five classes"
