"""Images that are made as they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.intake.ingestion.pixels.lazy_image import Covered, LazyImage, Place

PLACES: list[Place] = [
    slice(None),
    slice(3, 9),
    slice(9, 3),
    (slice(2, 30), slice(5, 8)),
    (slice(30, 90), slice(40, 90)),
    (slice(0, 5), slice(0, 0)),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
def test_every_part_shows_what_the_table_says(kind: type[np.integer], place: Place) -> None:
    rng = np.random.default_rng(1)
    stored = rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, (40, 50), kind, endpoint=True)
    stored.flat[:2] = np.iinfo(kind).min, np.iinfo(kind).max
    stored.flags.writeable = False  # as what lies in a file
    table = rng.random(2 ** (8 * stored.itemsize), np.float32)
    found = LazyImage(stored, table)[place]
    np.testing.assert_array_equal(found, table[stored.view(f"u{stored.itemsize}")][place])
    assert found.dtype == np.float32


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_boxes_cover_every_part_the_later_the_earlier_and_not_the_image_itself(place: Place) -> None:
    image = np.random.default_rng(1).random((40, 50), np.float32)
    covered, whole = Covered(image, [((2, 12, 4, 20), 7.0), ((10, 38, 6, 47), 8.0)]), image.copy()
    whole[2:12, 4:20], whole[10:38, 6:47] = 7, 8
    np.testing.assert_array_equal(covered[place], whole[place])
    assert image.max() < 1
