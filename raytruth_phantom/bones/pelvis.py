"""Hip bone, sacrum, coccyx."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline

from raytruth_phantom.bones.bone import Bone, GrowthPlate
from raytruth_phantom.solids import FloatArray, Solid, ball, blend, block, carve, ellipsoid, placed, sheet, tube

HIP_CENTRE = (-90.0, 0.0, 0.0)  # in the pelvis' frame (origin midway between the hips, y posterior)
PROMONTORY = (0.0, 26.0, 96.0)  # middle of the sacral endplate
SACRAL_SLOPE = 38.0  # degrees by which the endplate dips forward


def _ruled(lower: FloatArray, upper: FloatArray, bulge: FloatArray, samples: tuple[int, int]) -> FloatArray:
    """Points between two curves through `lower` and `upper` (n, 3), pushed by `bulge` (3,) mm in the middle."""
    along = np.linspace(0, 1, samples[0])
    curves = [CubicSpline(np.linspace(0, 1, len(c)), c)(along) for c in (lower, upper)]
    v = np.linspace(0, 1, samples[1])[None, :, None]
    return curves[0][:, None] * (1 - v) + curves[1][:, None] * v + np.sin(np.pi * v) * bulge


def _wing() -> Solid:
    lower = np.array([(-8, -34, 30), (-4, -8, 34), (8, 14, 34), (26, 38, 34), (44, 60, 30)], float)
    upper = np.array(
        [(-36, -52, 74), (-52, -34, 98), (-47, -2, 120), (-22, 34, 128), (16, 62, 112), (45, 78, 72)], float
    )
    points = _ruled(lower, upper, np.array([-5.0, 6.0, 0.0]), (90, 75))
    v = np.linspace(0, 1, 75)[None, :]
    u = np.linspace(0, 1, 90)[:, None]
    # thin in the fossa, thick along the crest, above the acetabulum and behind, where the sacrum joins
    rim = 5.0 * np.exp(-(((1 - v) / 0.14) ** 2)) + 7.5 * np.exp(-((v / 0.30) ** 2))
    edges = 3.5 * np.exp(-((u / 0.10) ** 2)) + 6.0 / (1 + np.exp(-(u - 0.76) / 0.05))
    tubercle = 2.5 * np.exp(-(((u - 0.22) / 0.12) ** 2)) * np.exp(-(((v - 1) / 0.2) ** 2))
    return sheet(points, 1.8 + 0.9 * np.hypot(rim, edges) + tubercle)


@cache
def hip_bone() -> Bone:
    """Origin: centre of the acetabulum."""
    cup = carve(ball((0, 0, 0), 34), ball((-20, -9, -14), 36), k=2)
    whole = blend(
        6,
        _wing(),
        cup,
        tube([(10, -26, 0), (40, -46, -10), (70, -53, -24)], [12, 7.5, 8]),  # superior ramus
        ellipsoid((79, -51, -40), (8.5, 8, 17)),  # body of the pubis
        tube([(76, -46, -54), (60, -32, -76), (42, -8, -90)], [6.5, 5, 6.5]),  # inferior ramus
        tube([(14, 22, -10), (22, 34, -48), (22, 26, -86)], [15, 11, 13]),  # ischium
        tube([(24, 20, -92), (42, -6, -91)], [10, 7]),
        tube([(22, 36, -16), (34, 47, -24)], [7, 2.5]),  # ischial spine
        tube([(18, 30, 30), (14, 24, 0)], [13, 13]),
        tube([(46, 52, 32), (32, 18, 26), (29, -14, 8), (40, -40, -8)], [7, 7, 7, 5]),  # arcuate line
    )
    socket = ball((0, 0, 0), 26.5)
    mouth = ellipsoid((-26, -12, -20), (24, 26, 24))
    plate = GrowthPlate((8, 0, 6), (0.25, -0.35, -0.9), -1.0, 14)  # the triradiate cartilage, as one plane
    return Bone(carve(whole, socket, mouth, k=3), (1.3, 1.3), 2.7, None, plates=(plate,))


@cache
def sacrum() -> Bone:
    """In the pelvis' frame: sacrum with its foramina, and the coccyx."""
    heights = np.array([96, 84, 62, 39, 16, -6, -14])
    depth = np.array([26, 35, 53, 65, 68, 61, 57])
    half_width = np.array([36, 50, 46, 36, 25, 12, 9])
    half_thick = np.array([12, 13, 11, 8.5, 7, 5, 4])
    v = np.linspace(0, 1, 60)
    knots = np.linspace(0, 1, len(heights))
    z, y, w, t = (CubicSpline(knots, c)(v)[:, None] for c in (heights, depth, half_width, half_thick))
    u = np.linspace(-1, 1, 60)[None, :]
    points = np.stack([u * (w - t * 0.8), y + 10 * u**2 + 0 * z, z + 3 * (1 - u**2)], -1)
    body = sheet(points, t * (1 - 0.25 * u**2))
    crest = tube([(0, 52, 78), (0, 70, 58), (0, 80, 36), (0, 78, 12)], [4, 5, 4.5, 3.5])
    coccyx = tube([(0, 53, -20), (0, 46, -34), (0, 36, -44)], [6.5, 4.5, 3])
    first = placed(block((0, 0, 0), (25, 15, 14), 5), (0, 35, 84), (SACRAL_SLOPE, 0, 0))
    whole = blend(7, body, crest, coccyx, first)
    foramina = [
        tube([(s * (22 - 2.4 * i), yy - 22, zz + 5), (s * (25 - 2.4 * i), yy + 4, zz - 2)], 4.6 - 0.5 * i)
        for i, (yy, zz) in enumerate(((45, 70), (60, 47), (67, 25), (65, 4)))
        for s in (-1, 1)
    ]
    return Bone(carve(whole, *foramina, k=5), (1.1, 1.1), 3.6, None)
