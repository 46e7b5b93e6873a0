"""The benchmark of the out-of-domain score: every group and score in one table, of models that never saw the group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.archive import REGIONS
from support.trained import trained_root

from benchmarks.learning.out_of_domain import SCORES, area, measure, strange_images

pytestmark = pytest.mark.slow


def test_every_class_is_hidden_once_and_every_score_measured(made_once: Callable[..., Path]) -> None:
    table = measure(trained_root(made_once).open(), None)
    groups = {*(f"class {region}" for region in REGIONS), *strange_images(64)}
    assert set(table["group"]) == groups
    assert len(table) == len(groups) * len(SCORES)
    assert ((table["low"] <= table["area"]) & (table["area"] <= table["high"])).all()


def test_the_area_is_the_chance_that_a_strange_image_scores_higher() -> None:
    usual, strange = np.arange(10.0), np.array([4.5, 20.0])
    assert area(usual, strange, seed=0)["area"] == pytest.approx((0.5 + 1) / 2)
