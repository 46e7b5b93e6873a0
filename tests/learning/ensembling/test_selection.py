"""Greedy selection: what a plain search would choose, never worse than the best member."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.learning.ensembling.selection import select_members


def members(seed: int, names: str = "abc", count: int = 80) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    found = {}
    for name in names:
        logits = rng.normal(0, 1, (count, 3)) + 1.5 * np.eye(3)[labels]
        found[name] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return found, labels


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


def mixed(found: dict[str, np.ndarray], shares: dict[str, float]) -> np.ndarray:
    return np.sum([share * found[name] for name, share in shares.items()], axis=0)


def slow_selection(found: dict[str, np.ndarray], labels: np.ndarray, most: int, min_gain: float) -> list[str]:
    chosen: list[str] = []
    while len(chosen) < most:
        tried = {name: log_loss(np.mean([found[n] for n in [*chosen, name]], axis=0), labels) for name in sorted(found)}
        name = min(tried, key=lambda n: tried[n])
        if chosen and log_loss(np.mean([found[n] for n in chosen], axis=0), labels) - tried[name] <= min_gain:
            break
        chosen.append(name)
    return chosen


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("min_gain", [0.0, 0.02])
def test_it_chooses_what_a_plain_search_chooses(seed: int, min_gain: float) -> None:
    found, labels = members(seed)
    want = slow_selection(found, labels, 6, min_gain)
    shares = select_members(found, labels, most=6, min_gain=min_gain)
    assert shares == {name: want.count(name) / len(want) for name in sorted(set(want))}
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(6))
def test_the_mixture_is_never_worse_than_the_best_member(seed: int) -> None:
    found, labels = members(seed)
    best = min(log_loss(p, labels) for p in found.values())
    assert log_loss(mixed(found, select_members(found, labels, most=8, min_gain=0)), labels) <= best + 1e-12


def test_a_useless_member_is_left_out_and_one_member_takes_all_where_only_one_may() -> None:
    found, labels = members(1)
    found["noise"] = np.full((len(labels), 3), 1 / 3)
    found["wrong"] = np.roll(found["a"], 1, axis=1)
    assert not {"noise", "wrong"} & set(select_members(found, labels, most=8, min_gain=0))
    assert list(select_members(found, labels, most=1, min_gain=0).values()) == [1.0]


def test_ties_go_to_the_first_name_whatever_the_order() -> None:
    found, labels = members(2, "z")
    for names in ("ba", "ab"):
        assert select_members(dict.fromkeys(names, found["z"]), labels, most=1, min_gain=0) == {"a": 1.0}


def test_a_member_that_gives_a_label_no_chance_at_all_is_no_error() -> None:
    certain = np.eye(3)[np.array([0, 1, 1])]
    assert select_members({"a": certain}, np.array([0, 1, 2]), most=3, min_gain=0) == {"a": 1.0}
