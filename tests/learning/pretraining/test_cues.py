"""Pasted cues: on the share of images asked for, small, drawn from the generator alone, no two alike."""

from __future__ import annotations

import pytest
import torch

from dagster_project.learning.pretraining.cues import KINDS, paste_cues


def greys(count: int = 20, px: int = 64) -> torch.Tensor:
    return torch.full((count, 1, px, px), 0.5)


def pasted(x: torch.Tensor, seed: int = 0, **shares: float) -> torch.Tensor:
    return paste_cues(x, torch.Generator().manual_seed(seed), **shares)


def touched(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    return ((after - before).abs() > 0.02).float().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("px", [32, 64, 224])
def test_a_cue_shows_on_every_image_and_leaves_most_of_it_as_it_was(kind: str, px: int) -> None:
    x = greys(px=px)
    share = touched(x, pasted(x, **{kind: 1.0}))
    assert (share > 0).all()
    assert share.max() < 0.3
    assert share.mean() < 0.12


def test_just_the_share_of_images_asked_for_gets_a_cue() -> None:
    x = greys(40)
    share = touched(x, pasted(x, marker=0.2, text=0.1, ruler=0.2))
    assert (share > 0).sum() == 20
    assert torch.equal(pasted(x), x)


def test_kinds_come_in_the_shares_asked_for() -> None:
    x = greys(400)
    ruler, marker = (float(touched(x, pasted(x, **{kind: 1.0})).mean()) for kind in ("ruler", "marker"))
    assert ruler > 1.5 * marker
    mixed = float(touched(x, pasted(x, marker=0.5, ruler=0.5)).mean())
    assert mixed == pytest.approx((marker + ruler) / 2, rel=0.15)


def test_it_draws_from_its_generator_only_and_no_two_images_get_the_same() -> None:
    x = greys()
    state = torch.get_rng_state()
    found = pasted(x, 3, marker=1.0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(pasted(x, 3, marker=1.0), found)
    assert not torch.equal(pasted(x, 4, marker=1.0), found)
    assert (torch.pdist(found.flatten(1)) > 0.5).all()


def test_the_images_given_stay_as_they_are_and_the_result_in_range() -> None:
    x = torch.rand((30, 1, 48, 48), generator=torch.Generator().manual_seed(1))
    before = x.clone()
    found = pasted(x, marker=0.4, text=0.3, ruler=0.3)
    assert torch.equal(x, before)
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6


def test_cues_are_bright_or_dark_on_a_bright_or_dark_plate() -> None:
    x = greys(60)
    for kind in KINDS:
        change = pasted(x, **{kind: 1.0}) - x
        assert (change.amax(dim=(1, 2, 3)) > 0.05).float().mean() > 0.6, kind
        assert (change.amin(dim=(1, 2, 3)) < -0.05).float().mean() > 0.04, kind
