"""Solids as signed distances: every bone, organ and implant is built from them.

A distance is negative inside, in millimetres, and exact enough near the surface (all that a surface extraction needs);
far away it is only a bound. Union, blending and carving are minima and maxima, so overlapping parts of one bone can
never be counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.floating]
Numbers = Sequence[float] | FloatArray  # a few coordinates
Distance = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Solid:
    """A shape: `distance(x, y, z)` in mm for coordinates that broadcast together, and its box `low`..`high` (3,)."""

    distance: Distance
    low: FloatArray
    high: FloatArray


def _floats(values: Numbers) -> list[float]:
    """Python numbers: unlike NumPy's own scalars they leave single-precision arrays in single precision."""
    return [float(v) for v in values]


def _box(low: ArrayLike, high: ArrayLike) -> tuple[FloatArray, FloatArray]:
    return np.asarray(low, float), np.asarray(high, float)


def ellipsoid(centre: Numbers, radii: Numbers) -> Solid:
    """An ellipsoid with its axes along x, y, z; `radii` (3,) in mm."""
    (cx, cy, cz), (rx, ry, rz) = _floats(centre), _floats(radii)
    shortest = min(rx, ry, rz)

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        dx, dy, dz = (x - cx) / rx, (y - cy) / ry, (z - cz) / rz
        unit = np.sqrt(dx * dx + dy * dy + dz * dz)
        # distance to first order: the implicit value over the length of its gradient
        gradient = np.sqrt((dx / rx) ** 2 + (dy / ry) ** 2 + (dz / rz) ** 2)
        return np.where(unit < 1e-3, -shortest, unit * (unit - 1) / np.maximum(gradient, 1e-6))

    return Solid(distance, *_box(np.subtract(centre, radii), np.add(centre, radii)))


def ball(centre: Numbers, radius: float) -> Solid:
    """A sphere."""
    return ellipsoid(centre, (radius, radius, radius))


def block(centre: Numbers, half: Numbers, rounding: float = 1.0) -> Solid:
    """A rounded box with half edges `half` (3,) in mm."""
    (cx, cy, cz), (hx, hy, hz) = _floats(centre), _floats(np.subtract(half, rounding))

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        qx, qy, qz = np.abs(x - cx) - hx, np.abs(y - cy) - hy, np.abs(z - cz) - hz
        outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qy, 0) ** 2 + np.maximum(qz, 0) ** 2)
        return outside + np.minimum(np.maximum(np.maximum(qx, qy), qz), 0) - rounding

    return Solid(distance, *_box(np.subtract(centre, half), np.add(centre, half)))


def tube(points: ArrayLike, radii: ArrayLike | float) -> Solid:
    """A round tube along a smooth curve through `points` (n, 3) with `radii` (n,) or one radius in mm, ends rounded."""
    knots = np.asarray(points, float)
    radius = np.broadcast_to(np.asarray(radii, float), (len(knots),))
    if len(knots) > 2:
        # short capsules along a spline: smooth without blending, which would swell at the joins
        curve = _subdivided(np.column_stack([knots, radius]))
        knots, radius = curve[:, :3], curve[:, 3]
    ends = np.column_stack([knots, radius])
    starts, steps = ends[:-1].tolist(), np.diff(ends, axis=0).tolist()

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        total: FloatArray | None = None
        for (ax, ay, az, ra), (lx, ly, lz, widening) in zip(starts, steps, strict=True):
            dx, dy, dz = x - ax, y - ay, z - az
            along = (dx * lx + dy * ly + dz * lz) * (1 / max(lx * lx + ly * ly + lz * lz, 1e-9))
            along = np.minimum(np.maximum(along, 0), 1)
            dx, dy, dz = dx - along * lx, dy - along * ly, dz - along * lz
            part = np.sqrt(dx * dx + dy * dy + dz * dz) - along * widening - ra
            total = part if total is None else np.minimum(total, part)
        assert total is not None
        return total

    pad = radius[:, None]
    return Solid(distance, *_box((knots - pad).min(0), (knots + pad).max(0)))


def _subdivided(points: FloatArray) -> FloatArray:
    """Two segments for each one of the polygon `points` (n, k), along its Catmull-Rom spline."""
    around = np.concatenate([points[:1], points, points[-1:]])
    finer = np.empty((2 * len(points) - 1, points.shape[1]))
    finer[::2] = points
    # the spline half way between two knots
    finer[1::2] = (9 * (points[:-1] + points[1:]) - around[:-3] - around[3:]) / 16
    return finer


def column(
    heights: Numbers,
    x: ArrayLike,
    y: ArrayLike,
    rx: ArrayLike,
    ry: ArrayLike,
    *,
    power: float = 2.0,
    triangular: float = 0.0,
    rounding: float = 3.0,
) -> Solid:
    """A shaft along z; centre (x, y) and half widths (rx, ry) are smooth curves through the values at `heights`.

    `power` above 2 squares the cross-section, `triangular` (0..0.2) gives it an anterior crest (towards -y); the ends
    are cut flat with `rounding` mm. Each argument is one number or one number per height, in mm.
    """
    z_knots = np.asarray(heights, float)
    curves = [
        PchipInterpolator(z_knots, np.broadcast_to(np.asarray(v, float), z_knots.shape), extrapolate=False)
        for v in (x, y, rx, ry)
    ]

    def distance(px: FloatArray, py: FloatArray, pz: FloatArray) -> FloatArray:
        inside = np.clip(pz, z_knots[0], z_knots[-1])
        cx, cy, hx, hy = (curve(inside).astype(pz.dtype) for curve in curves)
        dx, dy = (px - cx) / hx, (py - cy) / hy
        if power == 2.0:
            unit = np.sqrt(dx * dx + dy * dy)
        else:
            unit = (np.abs(dx) ** power + np.abs(dy) ** power) ** (1 / power)
        if triangular:
            cosine = -dy / np.maximum(unit, 1e-3)
            unit = unit / (1 + triangular * (4 * cosine**3 - 3 * cosine))
        side = (unit - 1) * np.minimum(hx, hy)
        end = np.maximum(z_knots[0] - pz, pz - z_knots[-1])
        return -smooth_minimum(-side, -end, rounding)

    spread = 1 + abs(triangular)
    values = [np.broadcast_to(np.asarray(v, float), z_knots.shape) for v in (x, y, rx, ry)]
    low = (min(values[0] - spread * values[2]), min(values[1] - spread * values[3]), z_knots[0])
    high = (max(values[0] + spread * values[2]), max(values[1] + spread * values[3]), z_knots[-1])
    return Solid(distance, *_box(low, high))


def sheet(points: ArrayLike, half_thickness: ArrayLike | float) -> Solid:
    """A curved plate around a surface sampled at `points` (..., 3), each sample a ball of `half_thickness` (...) mm.

    The samples must lie closer together than the plate is thick.
    """
    cloud = np.asarray(points, float).reshape(-1, 3)
    half = np.broadcast_to(np.asarray(half_thickness, float), np.shape(points)[:-1]).ravel()
    tree = cKDTree(cloud)
    reach = float(half.max()) + 8.0  # no blend reaches further

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        points = np.stack(np.broadcast_arrays(x, y, z), -1)
        close = ((points > low - reach) & (points < high + reach)).all(-1)
        near, index = tree.query(points[close], distance_upper_bound=reach)
        total = np.full(points.shape[:-1], reach, np.float32)
        total[close] = np.where(np.isfinite(near), near - half[np.minimum(index, len(half) - 1)], reach)
        return total

    low, high = _box((cloud - half[:, None]).min(0), (cloud + half[:, None]).max(0))
    return Solid(distance, low, high)


def smooth_minimum(a: FloatArray, b: FloatArray, k: float) -> FloatArray:
    """The minimum of two distances, rounded over `k` mm where they meet (Quilez, polynomial smooth minimum)."""
    if k <= 0:
        return np.minimum(a, b)
    h = np.maximum(k - np.abs(a - b), 0)
    return np.minimum(a, b) - h * h / (4 * k)


def blend(k: float, *solids: Solid) -> Solid:
    """The union of `solids`, their seams filled over about `k` mm."""

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        total = solids[0].distance(x, y, z)
        for solid in solids[1:]:
            total = smooth_minimum(total, solid.distance(x, y, z), k)
        return total

    return Solid(distance, np.min([s.low for s in solids], 0), np.max([s.high for s in solids], 0))


def carve(solid: Solid, *tools: Solid, k: float = 1.0) -> Solid:
    """`solid` without `tools`; the edges are rounded over `k` mm."""

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        total = -solid.distance(x, y, z)
        for tool in tools:
            total = smooth_minimum(total, tool.distance(x, y, z), k)
        return -total

    return Solid(distance, solid.low, solid.high)


def slab(solid: Solid, axis: int, low: float, high: float) -> Solid:
    """The part of `solid` with coordinate `axis` between `low` and `high` mm."""

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        c = (x, y, z)[axis]
        return np.maximum(solid.distance(x, y, z), np.maximum(low - c, c - high))

    box_low, box_high = solid.low.copy(), solid.high.copy()
    box_low[axis], box_high[axis] = max(box_low[axis], low), min(box_high[axis], high)
    return Solid(distance, box_low, box_high)


def placed(solid: Solid, offset: Numbers = (0, 0, 0), degrees: Numbers = (0, 0, 0)) -> Solid:
    """`solid` turned about its own origin by `degrees` (about x, y, z in turn, fixed axes) and moved by `offset` mm."""
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    rows = turn.tolist()
    ox, oy, oz = (float(v) for v in offset)

    def distance(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        dx, dy, dz = x - ox, y - oy, z - oz
        # the inverse turn is the transpose
        return solid.distance(*(rows[0][i] * dx + rows[1][i] * dy + rows[2][i] * dz for i in range(3)))

    grid = np.array(np.meshgrid(*zip(solid.low, solid.high, strict=True))).reshape(3, -1)
    corners = (turn @ grid).T + np.asarray(offset, float)
    return Solid(distance, corners.min(0), corners.max(0))


def mirrored(solid: Solid) -> Solid:
    """The other side's twin of `solid`: x changes its sign."""
    low, high = solid.low * (-1, 1, 1), solid.high * (-1, 1, 1)
    return Solid(lambda x, y, z: solid.distance(-x, y, z), np.minimum(low, high), np.maximum(low, high))
