"""Copies are found, other images of the same region are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from skimage.transform import resize
from support.archive import pattern, smooth_image

from dagster_project.intake.training_set.near_duplicates import linked_groups, near_duplicate_pairs, thumbnails

THRESHOLD = 0.985
rng = np.random.default_rng(0)
COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "equal": lambda p: p,
    "brighter": lambda p: p + 25,
    "less contrast": lambda p: 0.6 * p + 40,
    "other gamma": lambda p: 255 * (p / 255) ** 1.2,
    "noisy": lambda p: p + rng.normal(0, 6, p.shape),
    "rescaled": lambda p: resize(resize(p, (48, 48), preserve_range=True), p.shape, preserve_range=True),
}


def pairs(images: list[np.ndarray], threshold: float = THRESHOLD) -> set[tuple[int, int]]:
    found = near_duplicate_pairs(thumbnails(np.stack(images)), threshold)
    assert found.shape == (len(found), 2)
    return {(int(a), int(b)) for a, b in found}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found(name: str) -> None:
    for seed in range(10):
        image = smooth_image(seed)
        copy = COPIES[name](image.astype(float)).clip(0, 255).astype(np.uint8)
        assert pairs([image, smooth_image(100), copy]) == {(0, 2)}


@pytest.mark.parametrize("kind", range(6))
def test_different_images_of_one_class_are_no_copies(kind: int) -> None:
    generator = np.random.default_rng(kind)
    assert pairs([pattern(kind, generator) for _ in range(60)]) == set()


def test_flat_images_pair_with_nothing() -> None:
    assert pairs([np.full((64, 64), grey, np.uint8) for grey in (0, 0, 120)]) == set()


def test_a_negative_is_no_copy() -> None:
    assert pairs([smooth_image(1), 255 - smooth_image(1)]) == set()


def test_pairs_are_those_of_a_plain_search_also_beyond_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from dagster_project.intake.training_set import near_duplicates

    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    generator = np.random.default_rng(3)
    tiny = generator.integers(0, 255, (30, 4, 4), dtype=np.uint8)
    tiny[19], tiny[29] = tiny[2], tiny[13]
    correlation = np.corrcoef(tiny.reshape(30, -1).astype(float))
    want = {(i, j) for i in range(30) for j in range(i + 1, 30) if correlation[i, j] >= 0.4}
    assert {(int(a), int(b)) for a, b in near_duplicate_pairs(tiny, 0.4)} == want
    assert {(2, 19), (13, 29)} <= want


def test_no_image_at_all_gives_no_pair() -> None:
    assert near_duplicate_pairs(np.empty((0, 32, 32), np.uint8), THRESHOLD).shape == (0, 2)


def test_groups_follow_links_through_third_images() -> None:
    found = linked_groups(6, np.array([[0, 3], [3, 5], [1, 2]]))
    assert found[0] == found[3] == found[5]
    assert found[1] == found[2]
    assert len(set(found)) == 3
    assert linked_groups(3, np.empty((0, 2), int)).tolist() == [0, 1, 2]


def test_a_thumbnail_averages_areas() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[0, 0], image[0, 1] = 100, 60
    assert thumbnails(image[None])[0, 0, 0] == 40
