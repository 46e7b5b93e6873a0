"""What is hidden is hidden, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from support.archive import smooth_image

from dagster_project.learning.shortcut_audit.perturbations import POSITIVE_CONTROL, perturbations

SIDE = 64
IMAGES = np.stack([smooth_image(seed, SIDE) for seed in range(6)])

NAMES = sorted(perturbations(0))


def changed(name: str, images: np.ndarray = IMAGES) -> np.ndarray:
    return perturbations(0)[name](images) != images


@pytest.mark.parametrize("name", NAMES)
def test_a_treatment_keeps_shape_and_type_repeats_itself_and_leaves_what_it_is_given(name: str) -> None:
    before = IMAGES.copy()
    found = perturbations(0)[name](IMAGES)
    assert (found.shape, found.dtype) == (IMAGES.shape, np.uint8)
    np.testing.assert_array_equal(found, perturbations(0)[name](IMAGES))
    np.testing.assert_array_equal(IMAGES, before)


@pytest.mark.parametrize("name", NAMES)
def test_images_are_treated_one_by_one(name: str) -> None:
    if name.endswith("added"):
        return  # what is drawn depends on the place in the block
    alone = np.concatenate([perturbations(0)[name](image[None]) for image in IMAGES])
    np.testing.assert_array_equal(perturbations(0)[name](IMAGES), alone)


def test_the_margin_the_corners_and_the_centre_are_where_they_are_said_to_be() -> None:
    for name, share in (("margin hidden", 1 - 0.84**2), ("corners hidden", 0.44**2), (POSITIVE_CONTROL, 0.25)):
        assert changed(name).mean() == pytest.approx(share, abs=0.04), name
    assert not changed("margin hidden")[:, 6:-6, 6:-6].any()
    assert not changed("corners hidden")[:, 15:-15].any()
    assert not changed(POSITIVE_CONTROL)[:, :15].any()
    hidden = perturbations(0)[POSITIVE_CONTROL](IMAGES)[:, 32, 32]
    assert np.abs(hidden - IMAGES.mean(axis=(1, 2))).max() <= 1


def test_a_border_is_hidden_and_the_field_stays() -> None:
    framed = np.zeros((2, SIDE, SIDE), np.uint8)
    framed[0, 10:50, 20:60] = IMAGES[0, 10:50, 20:60]
    framed[1] = IMAGES[1]
    found = perturbations(0)["borders hidden"](framed)
    np.testing.assert_array_equal(found[0, 10:50, 20:60], framed[0, 10:50, 20:60])
    assert (found[0, :9] > 0).all()
    assert (found[0, :, :19] > 0).all()
    np.testing.assert_array_equal(found[1], framed[1])


def test_small_bright_parts_are_hidden_and_large_ones_stay() -> None:
    marked = IMAGES.clip(0, 140)
    marked[0, 4:8, 4:8] = 255
    marked[1, 20:50, 20:50] = 255
    marked[1, 55:58, 4:30] = 200  # stands out, but is nowhere near white
    marked[4, 30:60, 30:60] = 180
    marked[4, 40:43, 40:43] = 255  # bone: bright within something larger
    marked[2, 4:8, 4:8] = 255  # the same place in two images is no larger part
    marked[3, 4:8, 4:8] = 255
    found = perturbations(0)["small bright parts hidden"](marked)
    assert (found[[0, 2, 3], 4:8, 4:8] < 230).all()
    assert ((found != marked).sum(axis=(1, 2)) <= 36).all()
    np.testing.assert_array_equal(found[[1, 4]], marked[[1, 4]])


def test_turned_images_are_turned() -> None:
    np.testing.assert_array_equal(perturbations(0)["inverted"](IMAGES), 255 - IMAGES)
    np.testing.assert_array_equal(perturbations(0)["mirrored"](IMAGES), IMAGES[:, :, ::-1])


def test_another_seed_adds_another_cue() -> None:
    one, other = (perturbations(seed)["marker added"](IMAGES) for seed in (0, 1))
    assert (one != other).any(axis=(1, 2)).sum() >= 5
    assert changed("marker added").any(axis=(1, 2)).sum() >= 5
