"""Projection against slow references: marching along rays, and the union of intervals by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from raytruth_phantom.frames import MIRROR, shift, turn
from raytruth_phantom.meshes import Mesh, globe, loft, sampled, union_field
from raytruth_phantom.projection import Beam, path_lengths
from raytruth_phantom.solids import Solid, ball, blend, carve, ellipsoid, tube

FRONTAL = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def beam(shape: tuple[int, int] = (80, 80), pitch: float = 1.0, axes: np.ndarray = FRONTAL) -> Beam:
    return Beam(np.zeros(3), axes, 900.0, 1000.0, pitch, shape, ((shape[0] - 1) / 2, (shape[1] - 1) / 2))


def marched(solid: Solid, b: Beam, step: float = 0.1) -> np.ndarray:
    """Length inside `solid` along each pixel's ray, by sampling it every `step` mm."""
    rows, columns = np.indices(b.shape)
    local = np.stack(
        [(columns - b.centre[1]) * b.pitch, (rows - b.centre[0]) * b.pitch, np.full(b.shape, b.source_to_detector)], -1
    )
    direction = local / np.linalg.norm(local, axis=-1, keepdims=True)
    source = b.origin - b.source_to_origin * b.axes[2]
    total = np.zeros(b.shape)
    for t in np.arange(820, 980, step):
        x, y, z = np.moveaxis(source + t * direction @ b.axes, -1, 0)
        total += step * (solid.distance(x, y, z) < 0)
    return total


def surface(solid: Solid, step: float = 1.0) -> Mesh:
    mesh = sampled(solid, step).surface()
    assert mesh is not None
    return mesh


@pytest.mark.parametrize(
    "solid",
    [
        ellipsoid((2, 0, 1), (25, 12, 18)),
        tube([(-15, 0, -20), (18, 5, 15)], [9, 5]),
        blend(0, ball((-8, 0, 0), 14), ball((8, 3, 0), 14), tube([(-20, 0, 10), (20, 0, 10)], [6, 6])),
        carve(ball((0, 0, 0), 22), ball((0, 0, 0), 15)),
    ],
    ids=["ellipsoid", "capsule", "overlapping parts", "hollow"],
)
def test_path_lengths_match_marching_along_the_rays(solid: Solid) -> None:
    b = beam()
    drawn, reference = path_lengths([surface(solid)], [0], b)[0], marched(solid, b)
    assert np.abs(drawn - reference).mean() < 0.12
    assert np.percentile(np.abs(drawn - reference), 99) < 1.5  # silhouettes are steep


def test_overlapping_parts_of_one_bone_count_once() -> None:
    """Against brute force: the union of the parts' intervals along the central ray."""
    near, far = (-12.0, 4.0), (-3.0, 11.0)  # depths at which two balls on the central ray are entered and left
    parts = [ball((0, (a + b) / 2, 0), (b - a) / 2) for a, b in (near, far)]
    b = beam((41, 41))
    once = path_lengths([surface(blend(0, *parts), 0.5)], [0], b)[0, 20, 20]
    twice = path_lengths([surface(p, 0.5) for p in parts], [0, 0], b)[0, 20, 20]
    assert once == pytest.approx(far[1] - near[0], abs=0.15)
    assert twice == pytest.approx((near[1] - near[0]) + (far[1] - far[0]), abs=0.15)


def test_closed_surfaces_leave_nothing_outside_their_shadow() -> None:
    mesh = surface(carve(ellipsoid((0, 0, 0), (20, 20, 30)), ball((0, -10, 0), 8)), 1.7)
    for roll in (0.0, 13.0, 71.0):
        lengths = path_lengths([mesh], [0], beam(pitch=0.9, axes=FRONTAL @ turn(y=roll)[:3, :3]))[0]
        assert lengths.min() > -1e-3
        assert lengths.max() < 61
        shadow = lengths > 0
        assert not shadow[0].any()
        assert not shadow[:, 0].any()
        assert 1000 < shadow.sum() < 3000


def test_layers_are_kept_apart_and_add_up() -> None:
    a, b = surface(ball((-10, 0, 0), 8)), surface(ball((12, 0, 5), 6))
    view = beam()
    apart = path_lengths([a, b], [0, 1], view, layers=2)
    together = path_lengths([a, b], [0, 0], view)
    assert np.allclose(apart.sum(0), together[0], atol=1e-3)
    assert apart[0].max() > 15
    assert apart[1].max() > 11


def test_a_mirrored_mesh_casts_the_mirrored_shadow() -> None:
    mesh = surface(tube([(-18, 0, -20), (5, 0, 0), (15, 4, 22)], [4, 7, 3]))
    view = beam()
    turned = path_lengths([mesh.transformed(MIRROR)], [0], view)[0]
    difference = np.abs(turned[:, ::-1] - path_lengths([mesh], [0], view)[0])
    assert difference.mean() < 0.01
    assert difference.max() < 1.5  # vertices snap to the pixel grid in mirror image but for half a sixteenth


def test_a_coarser_beam_sees_the_same_at_lower_resolution() -> None:
    mesh, fine = surface(ball((0, 0, 0), 20)), beam((120, 120), 0.5)
    coarse = path_lengths([mesh], [0], fine.coarser(3))[0]
    blocks = path_lengths([mesh], [0], fine)[0].reshape(40, 3, 40, 3).mean((1, 3))
    inside = blocks > 10
    assert np.abs(coarse - blocks)[inside].max() < 1.0


def test_things_nearer_to_the_source_are_magnified() -> None:
    shadow = {
        depth: (path_lengths([surface(ball((0, depth, 0), 10))], [0], beam((101, 101), 0.5))[0] > 1).sum()
        for depth in (-200.0, 0.0)
    }
    assert shadow[-200.0] / shadow[0.0] == pytest.approx((900 / 700) ** 2, rel=0.05)


def test_faces_point_outward_everywhere() -> None:
    assert surface(ball((3, 4, 5), 10)).volume() == pytest.approx(4 / 3 * np.pi * 1000, rel=0.02)
    assert globe((1, 2, 3), (10, 10, 10)).volume() > 0
    assert loft([(0, 0, 0), (0, 5, 20), (0, 0, 40)], (4, 4)).volume() == pytest.approx(np.pi * 16 * 42, rel=0.15)
    assert surface(ball((3, 4, 5), 10)).transformed(MIRROR @ shift((1, 2, 3))).volume() > 0


def test_union_field_matches_the_blended_solid_near_its_surface() -> None:
    parts = [ball((0, 0, 0), 15), tube([(0, 0, 0), (40, 0, 0)], [8, 5])]
    field = union_field(parts, np.array([-60.0] * 3), np.array([60.0] * 3), 30_000, 4.0, 10.0)
    exact = blend(4.0, *parts).distance(*field.axes())
    close = np.abs(exact) < 4
    assert np.abs(field.values - exact)[close].max() < 0.05
