"""Solids: the sign and size of their distances, and what combining them does."""

from __future__ import annotations

import numpy as np
import pytest

from raytruth_phantom.solids import (
    Solid,
    ball,
    blend,
    block,
    carve,
    column,
    ellipsoid,
    mirrored,
    placed,
    sheet,
    slab,
    smooth_minimum,
    tube,
)


def distance(solid: Solid, *point: float) -> float:
    x, y, z = (np.array([c], np.float32) for c in point)
    return float(solid.distance(x, y, z)[0])


@pytest.mark.parametrize(
    ("solid", "inside", "outside", "gap"),
    [
        (ball((1, 2, 3), 5), (1, 2, 4), (1, 2, 10), 2.0),
        (block((0, 0, 0), (4, 5, 6)), (3, 4, 5), (7, 0, 0), 3.0),
        (tube([(0, 0, 0), (0, 0, 10)], [2, 2]), (1, 0, 5), (6, 0, 5), 4.0),
        (tube([(0, 0, 0), (0, 0, 10)], [2, 2]), (0, 0, 11), (0, 0, 15), 3.0),
        (column([0, 20], 0, 0, 5, 5), (4, 0, 10), (8, 0, 10), 3.0),
        (placed(ball((0, 0, 0), 5), offset=(10, 0, 0)), (10, 0, 0), (18, 0, 0), 3.0),
        (sheet(np.array([[(x, 0.0, z) for x in range(10)] for z in range(10)]), 1.0), (5, 0.5, 5), (5, 4, 5), 3.0),
    ],
)
def test_distance_is_negative_inside_and_the_gap_outside(
    solid: Solid, inside: tuple[float, ...], outside: tuple[float, ...], gap: float
) -> None:
    assert distance(solid, *inside) < 0
    assert distance(solid, *outside) == pytest.approx(gap, abs=0.05)


def test_box_holds_the_whole_solid() -> None:
    solids = [
        ellipsoid((1, 2, 3), (4, 5, 6)),
        tube([(0, 0, 0), (5, 9, 3), (0, 20, 0)], [1, 3, 2]),
        column([0, 10, 20], [0, 2, 0], 0, [5, 3, 5], 4, triangular=0.1),
        placed(block((0, 0, 0), (2, 3, 9)), (1, 2, 3), (30, 40, 50)),
        mirrored(ball((10, 0, 0), 2)),
    ]
    rng = np.random.default_rng(0)
    for solid in solids:
        points = rng.uniform(solid.low - 10, solid.high + 10, (20_000, 3)).astype(np.float32)
        inside = points[solid.distance(*points.T) < -0.05]
        assert len(inside) > 0
        assert (inside >= solid.low - 0.3).all()
        assert (inside <= solid.high + 0.3).all()


def test_a_tube_passes_through_its_knots() -> None:
    knots, radii = [(0, 0, 0), (10, 5, 0), (20, -5, 5), (30, 0, 0)], [3, 2, 4, 3]
    solid = tube(knots, radii)
    for knot, radius in zip(knots, radii, strict=True):
        assert distance(solid, *knot) == pytest.approx(-radius, abs=0.4)


def test_blend_is_the_union_and_fills_its_seam() -> None:
    a, b = ball((0, 0, 0), 5), ball((9, 0, 0), 5)
    joined = blend(3, a, b)
    for point in ((0, 0, 0), (9, 0, 0), (4.5, 0, 0)):
        assert distance(joined, *point) <= min(distance(a, *point), distance(b, *point))
    assert distance(joined, 4.5, 2.4, 0) < 0 < distance(a, 4.5, 2.4, 0)


def test_carve_takes_the_tool_away() -> None:
    hollow = carve(ball((0, 0, 0), 10), ball((0, 0, 0), 6))
    assert distance(hollow, 0, 0, 0) > 0
    assert distance(hollow, 8, 0, 0) < 0


def test_slab_keeps_the_part_between_two_planes() -> None:
    disc = slab(ball((0, 0, 0), 10), 2, -1, 1)
    assert distance(disc, 5, 0, 0) < 0 < distance(disc, 5, 0, 3)
    assert disc.high[2] == 1


def test_mirrored_is_the_other_side_s_twin() -> None:
    solid = ball((5, 0, 0), 2)
    assert distance(mirrored(solid), -5, 0, 0) < 0 < distance(mirrored(solid), 5, 0, 0)


def test_smooth_minimum_never_exceeds_the_minimum_and_equals_it_far_from_the_seam() -> None:
    a, b = np.linspace(-5, 5, 101), np.zeros(101)
    smooth = smooth_minimum(a, b, 2.0)
    assert (smooth <= np.minimum(a, b) + 1e-9).all()
    assert np.allclose(smooth[np.abs(a) > 2], np.minimum(a, b)[np.abs(a) > 2])
