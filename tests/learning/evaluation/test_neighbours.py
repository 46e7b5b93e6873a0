"""Neighbours of other patients: who they are, what their labels say."""

from __future__ import annotations

import numpy as np

from dagster_project.learning.evaluation.neighbours import find_neighbours, out_of_domain_probability


def test_neighbours_of_the_same_patient_say_nothing() -> None:
    rng = np.random.default_rng(0)
    embeddings = np.concatenate([rng.normal((5, 0), 0.1, (10, 2)), rng.normal((0, 5), 0.1, (10, 2))])
    labels, groups = np.repeat([0, 1], 10), np.array([f"p{i // 2}" for i in range(20)])
    labels[0:2] = 1  # a patient whose two images lie among class 0 and bear label 1
    agreement = find_neighbours(embeddings, labels >= 0, groups, 3).agreement(labels)
    np.testing.assert_array_equal(agreement[:2], [0, 0])
    assert agreement[10:].tolist() == [1.0] * 10


def test_agreement_is_that_of_a_plain_search() -> None:
    rng = np.random.default_rng(1)
    embeddings, labels = rng.normal(size=(40, 5)), rng.integers(-1, 3, 40)
    groups = np.array([f"p{i % 20}" for i in range(40)])
    centred = embeddings - embeddings.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    for i, got in enumerate(find_neighbours(embeddings, labels >= 0, groups, 4).agreement(labels)):
        others = [j for j in np.argsort(-(unit @ unit[i])) if labels[j] >= 0 and groups[j] != groups[i]][:4]
        want = np.mean([labels[j] == labels[i] for j in others]) if labels[i] >= 0 else np.nan
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_a_nearer_neighbour_counts_more_and_shares_add_up() -> None:
    angle = np.array([0.0, 0.1, 0.6, 3.1, 3.2, 3.3])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = find_neighbours(embeddings, np.ones(6, bool), np.arange(6).astype(str), 2)
    first, second = found.weight[0][found.weight[0] > 0]
    assert first > second > 0
    labels = np.array([0, 1, 0, 0, 1, 1])
    shares = found.label_shares(labels, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0, 1] > shares[0, 0]


def test_votes_are_probabilities_and_many_equal_ones_count_more_than_few() -> None:
    rng = np.random.default_rng(2)
    embeddings = np.concatenate([rng.normal((5, 0), 0.1, (12, 2)), rng.normal((0, 5), 0.1, (12, 2))])
    labels, groups = np.repeat([0, 1], 12), np.arange(24).astype(str)
    many, one = (find_neighbours(embeddings, labels >= 0, groups, n).vote(labels, 3) for n in (8, 1))
    np.testing.assert_allclose(many.sum(axis=1), 1)
    assert (many.argmax(axis=1) == labels).all()
    assert (many.max(axis=1) > one.max(axis=1)).all()
    assert (many > 0).all(), "a class that no neighbour bears is unlikely, not impossible"


def test_beyond_the_neighbours_lie_theirs_but_none_of_the_image_s_own_patient() -> None:
    rng = np.random.default_rng(3)
    embeddings, groups = rng.normal(size=(30, 4)), np.array([f"p{i // 2}" for i in range(30)])
    found = find_neighbours(embeddings, np.ones(30, bool), groups, 5)
    values = rng.normal(size=30)
    want = np.zeros(30)
    for i in range(30):
        each = []
        for j, w in zip(found.rows[i], found.weight[i], strict=True):
            others = [(r, v) for r, v in zip(found.rows[j], found.weight[j], strict=True) if groups[r] != groups[i]]
            each.append((w, np.average([values[r] for r, _ in others], weights=[v for _, v in others])))
        want[i] = np.average([v for _, v in each], weights=[w for w, _ in each])
    np.testing.assert_allclose(found.mean_beyond(values), want)
    mine = np.where(groups == "p3", 1e9, values)
    np.testing.assert_allclose(found.mean_beyond(mine)[groups == "p3"], want[groups == "p3"])


def test_without_neighbours_nothing_is_known() -> None:
    found = find_neighbours(np.eye(3), np.ones(3, bool), np.array(["p", "p", "p"]), 2)
    assert np.isnan(found.mean(np.ones(3))).all()
    assert np.isnan(found.mean_beyond(np.ones(3))).all()
    assert np.isnan(found.agreement(np.zeros(3, int))).all()


def test_the_more_wrong_labels_around_the_likelier_a_image_is_of_no_class() -> None:
    found = out_of_domain_probability(np.linspace(0, 1, 11))
    assert (np.diff(found) > 0).all()
    assert found[0] < 0.001 < 0.999 < found[-1]


def test_where_every_label_is_doubted_no_image_is_of_no_class_for_it() -> None:
    doubted = np.random.default_rng(0).normal(0.85, 0.03, 500)
    assert np.quantile(out_of_domain_probability(doubted), 0.95) < 0.5
