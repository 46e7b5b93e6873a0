"""A row of the ablation table says what was changed, and is scored on validation patients alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.encoders import with_method
from support.trained import Trained, trained_root

from benchmarks.learning.ablation import changed, measure, validation_scores
from dagster_project.intake.root import Root
from dagster_project.learning.evaluation.labelled import load_labelled_set


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


def test_only_the_named_settings_change(trained: Trained) -> None:
    profile = trained.settings.learning
    found = changed(profile, ["batch_size=16", "methods.supcon.epochs=2"])
    assert found == with_method(profile, "supcon", epochs=2).model_copy(update={"batch_size": 16})
    with pytest.raises(KeyError, match=r"supcon\.epoch"):
        changed(profile, ["methods.supcon.epoch=2"])


def test_a_row_names_the_change_and_has_scores_with_intervals(trained: Trained) -> None:
    row = measure(Root(trained.paths, trained.settings), "simclr", ["methods.simclr.epochs=1"], seed=3)
    assert (row["method"], row["change"], row["seed"]) == ("simclr", "methods.simclr.epochs=1", 3)
    for share in ("0.1", "1"):
        assert 0 <= row[f"low_{share}"] <= row[f"accuracy_{share}"] <= row[f"high_{share}"] <= 1


def test_test_images_have_no_say(trained: Trained) -> None:
    data = load_labelled_set(Root(trained.paths, trained.settings))
    embeddings = np.eye(len(data.regions))[data.labels] + 0.01 * np.random.default_rng(0).normal(
        size=(len(data.labels), len(data.regions))
    )
    before = validation_scores(embeddings, data, 1.0, trained.settings)
    assert before["accuracy_1"] == 1
    embeddings[data.test] = 0
    assert validation_scores(embeddings, data, 1.0, trained.settings) == before
    embeddings[data.validation] = 0
    assert validation_scores(embeddings, data, 1.0, trained.settings)["accuracy_1"] < 0.5
