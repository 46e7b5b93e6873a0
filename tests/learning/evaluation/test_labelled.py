"""The labelled images of each split, and stratified shares of their labels."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.learning.evaluation.labelled import draw_fraction, load_labelled_set


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.floats(0.01, 1),
    st.integers(0, 5),
)
def test_a_fraction_takes_of_each_class_its_share_and_at_least_one(labels: list[int], share: float, seed: int) -> None:
    array = np.array(labels)
    drawn = draw_fraction(array, share, seed)
    assert len(set(drawn)) == len(drawn)
    for label in set(labels):
        count = labels.count(label)
        assert (array[drawn] == label).sum() == max(round(share * count), 1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 5))
def test_fractions_of_one_seed_are_nested(labels: list[int], seed: int) -> None:
    draws = [set(draw_fraction(np.array(labels), share, seed)) for share in (0.01, 0.1, 0.5, 1.0)]
    assert draws == sorted(draws, key=len)
    assert all(less <= more for less, more in pairwise(draws))
    assert draws[-1] == set(range(len(labels)))


def test_another_seed_draws_others_and_the_same_seed_the_same() -> None:
    labels = np.repeat([0, 1], 50)
    assert draw_fraction(labels, 0.1, 1).tolist() == draw_fraction(labels, 0.1, 1).tolist()
    assert draw_fraction(labels, 0.1, 1).tolist() != draw_fraction(labels, 0.1, 2).tolist()


def test_rows_are_the_labelled_images_of_their_split_and_share_no_group(trained: Trained) -> None:
    data = load_labelled_set(Root(trained.paths, trained.settings))
    table = load_training_set(trained.paths)
    for name in ("train", "validation", "test"):
        want = np.flatnonzero((table["split"] == name) & table["region"].notna() & (table["exclusion"] == ""))
        np.testing.assert_array_equal(getattr(data, name), want)
    groups = [set(data.patients(rows)) for rows in (data.train, data.validation, data.test)]
    assert sum(len(group) for group in groups) == len(set.union(*groups))
    assert [data.regions[k] for k in data.labels[data.test]] == table.loc[data.test, "region"].tolist()
    assert data.image_ids(data.test).tolist() == table.loc[data.test, "image_id"].tolist()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_split_without_labels_is_named(trained: Trained, split: str, tmp_path: Path) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    table = load_training_set(copy.paths)
    write_table(copy.paths.training_set, table.assign(region=table["region"].mask(table["split"] == split, None)))
    with pytest.raises(RayTruthError, match=f"The {split} split has too few"):
        load_labelled_set(Root(copy.paths, copy.settings))


def test_a_training_split_of_one_class_is_too_little(trained: Trained, tmp_path: Path) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    table = load_training_set(copy.paths)
    write_table(copy.paths.training_set, table.assign(region=table["region"].mask(table["split"] == "train", "hand")))
    with pytest.raises(RayTruthError, match="The train split"):
        load_labelled_set(Root(copy.paths, copy.settings))
