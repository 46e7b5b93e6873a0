"""The probabilities of visible regions: their values, their range, and their text."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.learning.evaluation.visible_regions import visible_as_text, visible_from_text, visible_regions

REGIONS = ("hand", "knee", "foot")


@pytest.mark.parametrize(
    ("label", "visible"),
    [
        ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        ((0.5, 0.5, 0.0), (1.0, 1.0, 0.0)),  # similar images have both labels equally often
        ((0.1, 0.6, 0.3), (0.2, 0.9, 0.6)),
        ((0.2, 0.2, 0.2), (0.4, 0.4, 0.4)),  # one out of domain
    ],
)
def test_the_rarer_label_counts_twice_and_the_first_choice_gets_it_once(label: tuple, visible: tuple) -> None:
    np.testing.assert_allclose(visible_regions(np.array([label])), [visible])


def test_labels_that_are_drawn_evenly_from_the_visible_regions_give_the_greatest_probability_that_they_allow() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        hand, knee, both = rng.dirichlet(np.ones(3))  # hand alone, knee alone, both
        found = visible_regions(np.array([[hand + both / 2, knee + both / 2, 0]]))[0]
        assert (found[:2] >= np.array([hand + both, knee + both]) - 1e-9).all()
    np.testing.assert_allclose(visible_regions(np.array([[0.6 + 0.4 / 2, 0.4 / 2, 0]])), [[1.0, 0.4, 0]])


def test_probabilities_stay_in_0_to_1_though_those_of_the_labels_do_not_add_up_to_1() -> None:
    label = np.random.default_rng(0).random((200, 4))
    visible = visible_regions(label)
    assert visible.min() >= 0
    assert visible.max() <= 1
    assert visible_regions(label[:, :1]).shape == (200, 1)


def test_the_text_lists_the_probable_regions_and_is_read_back() -> None:
    visible = np.array([[0.62, 0.97, 0.099], [0.0, 0.1, 0.0], [0.0, 0.0, 0.0], [0.5, 0.5, 1.0]])
    texts = visible_as_text(visible, REGIONS)
    assert texts == ["knee:0.97;hand:0.62", "knee:0.10", "", "foot:1.00;hand:0.50;knee:0.50"]
    assert [visible_from_text(text) for text in texts[:3]] == [{"knee": 0.97, "hand": 0.62}, {"knee": 0.1}, {}]
    assert list(visible_from_text(texts[0])) == ["knee", "hand"]
