"""The plain pipelines make views as ours are, and the comparison's table pairs each round."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.archive import pattern
from support.encoders import with_method

from benchmarks.learning.plain_pipeline import TwoViews, monai_view, pillow_view, pretrain_plainly
from benchmarks.learning.simclr_cpu import OURS, compare
from benchmarks.results import shipped_settings
from dagster_project.core.settings.settings import Profile

IMAGES = np.stack([pattern(k % 5, np.random.default_rng(k), 40) for k in range(8)])


@pytest.fixture(scope="module")
def profile() -> Profile:
    small = {"input_size": 32, "width": 8, "blocks": (1, 1, 1, 1), "batch_size": 8}
    return shipped_settings().profiles["quick"].model_copy(update=small)


@pytest.mark.parametrize("make", [monai_view, pillow_view])
def test_views_are_of_our_size_and_range_and_never_alike(make: object) -> None:
    torch.manual_seed(0)
    for first, second in TwoViews(IMAGES, make(32)):
        for view in (first, second):
            assert view.shape == (1, 32, 32)
            assert view.dtype == torch.float32
            assert -1 <= view.min() < view.max() <= 1
        assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", ["monai", "pillow"])
def test_a_plain_pipeline_changes_the_weights_it_starts_from(profile: Profile, kind: str) -> None:
    still = with_method(profile, "simclr", learning_rate=1e-30).model_copy(update={"weight_decay": 0.0})
    trained, before = (pretrain_plainly(IMAGES, p, 1, 0, kind).conv1.weight for p in (profile, still))
    assert not torch.allclose(trained, before, atol=1e-6)
    assert torch.isfinite(trained).all()


@pytest.mark.slow
def test_each_pipeline_has_its_speed_and_our_ratio_to_it(profile: Profile) -> None:
    table = compare(profile, 16, 2, 0).set_index("pipeline")
    assert {OURS, "monai", "pillow"} <= set(table.index)
    assert (table.filter(like="images_per_second") > 0).all(axis=None)
    assert table.loc[OURS, ["ratio_min", "ratio_median", "ratio_max"]].tolist() == [1, 1, 1]
    assert (table["ratio_min"] <= table["ratio_median"]).all()
