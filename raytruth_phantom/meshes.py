"""Closed triangle meshes: extracted from solids, or lofted along a curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from skimage.measure import marching_cubes

from raytruth_phantom.solids import FloatArray, Numbers, Solid, smooth_minimum


@dataclass(frozen=True)
class Mesh:
    """A closed surface: `vertices` (V, 3) in mm, `faces` (F, 3) wound so that their normals point out."""

    vertices: FloatArray
    faces: NDArray[np.intp]

    def transformed(self, affine: FloatArray) -> Mesh:
        """The mesh under a (4, 4) affine; a mirroring one also turns the faces, so that normals still point out."""
        small = affine.astype(np.float32)
        moved = np.einsum("nj,ij->ni", self.vertices, small[:3, :3]) + small[:3, 3]
        faces = self.faces if np.linalg.det(affine[:3, :3]) > 0 else self.faces[:, ::-1]
        return Mesh(moved, faces)

    def volume(self) -> float:
        """The enclosed volume in mm³, by the divergence theorem; positive if the normals point out."""
        a, b, c = (self.vertices[self.faces[:, i]].astype(float) for i in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@dataclass(frozen=True)
class Field:
    """A solid's distances (nx, ny, nz) in mm on a regular grid from `low` (3,) with `step` mm."""

    values: FloatArray
    low: FloatArray
    step: float

    def surface(self, level: float | FloatArray = 0.0) -> Mesh | None:
        """The closed surface at distance `level` (one number, or one per grid point); None if there is none."""
        values = self.values - level
        # a border outside the solid closes the surface where the solid leaves the grid
        for axis in range(3):
            for end in (0, -1):
                face = np.moveaxis(values, axis, 0)[end]
                np.maximum(face, self.step * 0.05, out=face)
        if values.min() >= 0:
            return None
        vertices, faces, _, _ = marching_cubes(values, 0.0, gradient_direction="ascent")
        return Mesh((vertices * self.step + self.low).astype(np.float32), faces[:, ::-1].astype(np.intp))

    def axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The grid's coordinates as three arrays that broadcast together."""
        x, y, z = ((self.low[i] + self.step * np.arange(self.values.shape[i])).astype(np.float32) for i in range(3))
        return x[:, None, None], y[None, :, None], z[None, None, :]


def sampled(solid: Solid, step: float, low: ArrayLike | None = None, high: ArrayLike | None = None) -> Field:
    """Evaluate `solid` every `step` mm within its box, or within `low`..`high` (3,) where given."""
    start = solid.low - 2 * step if low is None else np.maximum(solid.low - 2 * step, low)
    stop = solid.high + 2 * step if high is None else np.minimum(solid.high + 2 * step, high)
    shape = np.maximum(np.ceil((stop - start) / step).astype(int) + 1, 2)
    empty = Field(np.empty(shape, np.float32), np.asarray(start, float), step)
    return replace(empty, values=np.array(np.broadcast_to(solid.distance(*empty.axes()), shape), np.float32))


@cache
def _globe() -> Mesh:
    z, angle = np.linspace(-1, 1, 7), np.linspace(0, 2 * np.pi, 10, endpoint=False)
    radius = np.sqrt(np.maximum(1 - z**2, 0.02))
    ring = np.stack([radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle), z[:, None] + 0 * angle], -1)
    return _skinned(ring)


def globe(centre: Numbers, radii: Numbers) -> Mesh:
    """A coarse ellipsoid for things without a sharp outline; `centre` (3,) and `radii` (3,) in mm."""
    return Mesh((_globe().vertices * np.asarray(radii) + np.asarray(centre)).astype(np.float32), _globe().faces)


def loft(points: ArrayLike, radii: ArrayLike, *, sections: int = 24, sides: int = 10) -> Mesh:
    """A tube of elliptical section along a smooth curve: cheaper than a sampled solid for ribs, wires, nails and rods.

    `points` (n, 3): the curve's knots in mm. `radii` (n, 2) or (2,): half widths in mm along the curve's own normal,
    which starts perpendicular to z, and binormal. The ends are closed.
    """
    knots = np.asarray(points, float)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    at = np.linspace(0, length[-1], sections)
    curve = CubicSpline(length, knots) if len(knots) > 2 else None
    centre = curve(at) if curve else knots[0] + (at / length[-1])[:, None] * (knots[1] - knots[0])
    tangent = curve(at, 1) if curve else np.broadcast_to(knots[1] - knots[0], centre.shape)
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    reference = np.where(np.abs(tangent[:, 2:]) > 0.97, [[1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0]])
    normal = np.cross(reference, tangent)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    binormal = np.cross(tangent, normal)
    width = np.stack([np.interp(at, length, r) for r in np.broadcast_to(radii, (len(knots), 2)).T])
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    ring = (
        centre[:, None]
        + np.cos(angle)[None, :, None] * (normal * width[0][:, None])[:, None]
        + np.sin(angle)[None, :, None] * (binormal * width[1][:, None])[:, None]
    )  # (sections, sides, 3)
    return _skinned(ring)


def _skinned(rings: FloatArray) -> Mesh:
    """The closed surface through `rings` (sections, sides, 3) of points."""
    sections, sides, _ = rings.shape
    ends = rings[[0, -1]].mean(1)
    here = np.arange(sections * sides).reshape(sections, sides)
    there = np.roll(here, -1, axis=1)
    first, last = here.size, here.size + 1
    faces = [
        np.stack([here[:-1], there[:-1], there[1:]], -1).reshape(-1, 3),
        np.stack([here[:-1], there[1:], here[1:]], -1).reshape(-1, 3),
        np.stack([np.full(sides, first), there[0], here[0]], -1),
        np.stack([np.full(sides, last), here[-1], there[-1]], -1),
    ]
    return Mesh(np.concatenate([rings.reshape(-1, 3), ends]).astype(np.float32), np.concatenate(faces).astype(np.intp))


def union_field(
    solids: list[Solid], low: FloatArray, high: FloatArray, points: int, blending: float, reach: float
) -> Field:
    """Distances of the blended union of `solids` within `low`..`high`, on a grid of about `points` points.

    Farther than `reach` mm outside every solid's box the field is `reach`.
    """
    start = np.maximum(low, np.min([s.low for s in solids], 0) - reach)
    stop = np.minimum(high, np.max([s.high for s in solids], 0) + reach)
    extent = np.maximum(stop - start, 1.0)
    step = float(np.cbrt(np.prod(extent) / points))
    grid = Field(np.empty(np.ceil(extent / step).astype(int) + 1, np.float32), start, step)
    return union_on(grid, solids, blending, reach)


def union_on(grid: Field, solids: list[Solid], blending: float, reach: float) -> Field:
    """`union_field` on another field's grid: each solid is evaluated near its own box only."""
    values, axes = np.full(grid.values.shape, reach, np.float32), grid.axes()
    for solid in solids:
        first = np.clip(np.floor((solid.low - reach - grid.low) / grid.step).astype(int), 0, values.shape)
        last = np.clip(np.ceil((solid.high + reach - grid.low) / grid.step).astype(int) + 1, 0, values.shape)
        if (last <= first).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        near = solid.distance(axes[0][box[0]], axes[1][:, box[1]], axes[2][:, :, box[2]])
        values[box] = smooth_minimum(values[box], near, blending)
    return replace(grid, values=values)
