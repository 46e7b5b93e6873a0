"""Random views: drawn for a whole batch at once, the same under a seed, in range, and of every image its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.archive import smooth_image

from dagster_project.learning.pretraining.augmentation import Strength, random_view

OFF = Strength(
    area=(1.0, 1.0),
    aspect=0.0,
    degrees=0.0,
    flip=0.0,
    gamma=0.0,
    contrast=0.0,
    brightness=0.0,
    invert=0.0,
    blur=0.0,
    noise=0.0,
    cutout=0.0,
    collimate=0.0,
    collimator_degrees=0.0,
    bright_border=0.0,
    marker=0.0,
    text=0.0,
    ruler=0.0,
)


def batch(count: int = 8, side: int = 40) -> torch.Tensor:
    return torch.from_numpy(np.stack([smooth_image(seed, side) for seed in range(count)]))


def view(images: torch.Tensor, seed: int, px: int = 32, strength: Strength | None = None) -> torch.Tensor:
    return random_view(images, px, torch.Generator().manual_seed(seed), strength or Strength())


@pytest.mark.parametrize(("count", "side", "px"), [(1, 32, 32), (5, 40, 32), (3, 64, 48), (2, 32, 64)])
def test_a_view_has_one_channel_the_size_asked_for_and_lies_in_minus_1_to_1(count: int, side: int, px: int) -> None:
    found = view(batch(count, side), 0, px)
    assert (found.shape, found.dtype) == ((count, 1, px, px), torch.float32)
    assert found.min() >= -1
    assert found.max() <= 1
    assert found.std() > 0.1


def test_the_same_seed_gives_the_same_view_and_another_another() -> None:
    images = batch()
    assert torch.equal(view(images, 3), view(images, 3))
    assert (view(images, 3) != view(images, 4)).any(dim=(1, 2, 3)).all()


def test_it_draws_from_its_generator_only() -> None:
    torch.manual_seed(0)
    first = view(batch(), 3)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert torch.equal(view(batch(), 3), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_views_drawn_one_after_the_other_differ_in_every_image() -> None:
    images, generator = batch(), torch.Generator().manual_seed(0)
    first, second = random_view(images, 32, generator), random_view(images, 32, generator)
    assert (first - second).abs().mean(dim=(1, 2, 3)).min() > 0.02


def test_each_image_of_a_batch_is_changed_in_its_own_way() -> None:
    same = batch(1).repeat(16, 1, 1)
    found = view(same, 0).flatten(1)
    assert (torch.pdist(found) > 1).all()


def test_images_do_not_mix() -> None:
    images = batch()
    changed = images.clone()
    changed[3] = 255 - changed[3]
    differs = (view(images, 5) != view(changed, 5)).any(dim=(1, 2, 3))
    assert differs.tolist() == [i == 3 for i in range(8)]


def test_the_images_themselves_stay_as_they_are() -> None:
    images = batch()
    before = images.clone()
    view(images, 0)
    assert torch.equal(images, before)


def test_with_everything_off_a_view_is_the_image() -> None:
    images = batch(3, 32)
    want = images[:, None].float() / 127.5 - 1
    torch.testing.assert_close(view(images, 0, 32, OFF), want, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"flip": 1.0}, lambda x: x.flip(-1)),
        ({"invert": 1.0}, lambda x: -x),
    ],
    ids=["flip", "invert"],
)
def test_a_certain_change_is_just_that_change(change: dict, want) -> None:
    images = batch(3, 32)
    plain = view(images, 0, 32, OFF)
    torch.testing.assert_close(view(images, 0, 32, replace(OFF, **change)), want(plain), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        *({"area": (0.3, 0.5)}, {"aspect": 0.5}, {"degrees": 40.0}, {"gamma": 0.5}, {"contrast": 0.5}),
        *({"brightness": 0.3}, {"blur": 1.0}, {"noise": 0.1}, {"cutout": 1.0}, {"collimate": 1.0}),
        *({"marker": 1.0}, {"text": 1.0}, {"ruler": 1.0}),
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_strength_changes_something_on_its_own(change: dict) -> None:
    images = batch(8, 32)
    plain, changed = view(images, 1, 32, OFF), view(images, 1, 32, replace(OFF, **change))
    assert ((changed - plain).abs() > 0.01).any(dim=(1, 2, 3)).sum() >= 6


def test_a_crop_shows_the_share_of_the_image_asked_for() -> None:
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).repeat(64, 1)[None]
    found = view(ramp, 0, 64, replace(OFF, area=(0.25, 0.25)))
    seen = found[0, 0, 0, -1] - found[0, 0, 0, 0]
    whole = view(ramp, 0, 64, OFF)[0, 0, 0, -1] - view(ramp, 0, 64, OFF)[0, 0, 0, 0]
    assert seen / whole == pytest.approx(0.5, abs=0.03)


def test_a_collimated_view_is_black_outside_a_rectangle() -> None:
    bright = torch.full((16, 32, 32), 200, dtype=torch.uint8)
    found = view(bright, 0, 32, replace(OFF, collimate=1.0))[:, 0]
    dark = found < -0.99
    assert dark.any(dim=(1, 2)).float().mean() > 0.8
    rows, columns = (~dark).any(dim=2), (~dark).any(dim=1)
    assert torch.equal(~dark, rows[:, :, None] & columns[:, None, :])


def test_a_turned_collimators_edges_lean_and_do_not_bend() -> None:
    bright = torch.full((16, 64, 64), 200, dtype=torch.uint8)
    field = view(bright, 0, 64, replace(OFF, collimate=1.0, collimator_degrees=12.0))[:, 0] > -0.99
    rows, columns = field.any(dim=2), field.any(dim=1)
    assert (field != rows[:, :, None] & columns[:, None, :]).any(dim=(1, 2)).sum() >= 8
    runs = (field.int().diff(dim=2) != 0).sum(dim=2)  # convex: a row enters and leaves the field once
    assert runs.max() <= 2


def test_the_border_may_be_bright_instead() -> None:
    dark = torch.full((32, 32, 32), 60, dtype=torch.uint8)
    found = view(dark, 0, 32, replace(OFF, collimate=1.0, bright_border=0.5))[:, 0]
    black, bright = (found < -0.99).any(dim=(1, 2)), (found > 0.3).any(dim=(1, 2))
    assert 6 < black.sum() < 26
    assert 6 < bright.sum() < 26
    assert not (black & bright).any()
