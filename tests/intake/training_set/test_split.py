"""Splits and folds by group: shares kept in every class, and nobody ever changes sides."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.intake.training_set.split import SPLITS, assign_folds, assign_splits, draw, stratum_of

NOBODY = pd.Series([], dtype="string")


def groups(count: int, region: str, key: str = "k") -> pd.Series:
    """The stratum of `count` groups whose names depend on a key, as pseudonyms do."""
    return pd.Series(region, index=[f"{key}-{region}-{i:04d}" for i in range(count)])


def split(strata: pd.Series, settled: pd.Series = NOBODY, test: float = 0.2, validation: float = 0.15) -> pd.Series:
    return assign_splits(strata, settled, test=test, validation=validation)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 60), min_size=1))
def test_every_class_has_its_shares_in_every_split(sizes: dict[str, int]) -> None:
    strata = pd.concat([groups(n, region) for region, n in sizes.items()])
    found = split(strata)
    assert found.index.equals(strata.index)
    for region, n in sizes.items():
        own = found[strata == region].value_counts()
        assert own.get("test", 0) == max(round(0.2 * n), 1 if n >= 3 else 0)
        assert own.get("validation", 0) == max(round(0.15 * n), 1 if n >= 3 else 0)
        assert own.sum() == n
        assert n < 3 or own.get("train", 0) > 0


@pytest.mark.slow
@given(st.integers(3, 40), st.integers(0, 40))
def test_whoever_was_settled_stays_when_others_come(before: int, more: int) -> None:
    everyone = groups(before + more, "knee")
    first = split(everyone.iloc[np.random.default_rng(before).permutation(before + more)[:before]])
    again = split(everyone, first.astype("string"))
    assert again[first.index].tolist() == first.tolist()
    assert abs((again == "test").sum() - round(0.2 * (before + more))) <= 1


def test_another_key_gives_another_split_and_the_same_key_the_same() -> None:
    one = split(groups(100, "knee", "key"))
    assert split(groups(100, "knee", "key")).equals(one)
    other = split(groups(100, "knee", "other"))
    assert other.tolist() != one.tolist()
    assert sorted(other) == sorted(one)


def test_the_order_of_groups_does_not_matter() -> None:
    strata = pd.concat([groups(30, "knee"), groups(12, "hand")])
    shuffled = strata.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(split(shuffled)[strata.index], split(strata))
    pd.testing.assert_series_equal(assign_folds(shuffled, 3)[strata.index], assign_folds(strata, 3))


def test_a_group_counts_for_the_rarest_region_that_it_shows() -> None:
    group = pd.Series(["a", "a", "b", "c", "c", "d", "e"])
    region = pd.Series(["knee", "hand", "knee", "knee", None, None, "hand"])
    strata = stratum_of(group, region)
    assert strata.to_dict() == {"a": "hand", "b": "knee", "c": "knee", "d": "", "e": "hand"}


def test_folds_are_even_within_every_class_and_as_a_whole() -> None:
    strata = pd.concat([groups(n, region) for region, n in (("a", 10), ("b", 7), ("c", 4), ("d", 2))])
    folds = assign_folds(strata, 3)
    for _, own in folds.groupby(strata):
        counts = own.value_counts().reindex(range(3), fill_value=0)
        assert counts.max() - counts.min() <= 1
    assert folds.value_counts().max() - folds.value_counts().min() <= 1


def test_split_and_fold_of_a_patient_are_drawn_independently() -> None:
    numbers = np.array([(draw(f"p{i}", "split"), draw(f"p{i}", "fold")) for i in range(2000)])
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.08
    assert ((numbers >= 0) & (numbers < 1)).all()
    np.testing.assert_allclose(numbers.mean(axis=0), 0.5, atol=0.03)


def test_the_splits_are_named_from_the_least_protected_to_the_most() -> None:
    assert SPLITS == ("train", "validation", "test")
