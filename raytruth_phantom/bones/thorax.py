"""Clavicle, scapula, sternum; the ribs are lofted along their curves."""

from __future__ import annotations

from functools import cache

import numpy as np

from raytruth_phantom.bones.bone import Bone, GrowthPlate
from raytruth_phantom.solids import FloatArray, blend, carve, ellipsoid, placed, sheet, tube

# half width of the rib cage, distance of its front from the spine, drop of the rib's front end (mm), and the angle that
# the rib covers (degrees)
RIB_HALF_WIDTHS = (52, 78, 97, 110, 119, 125, 130, 133, 132, 127, 116, 92)
RIB_DEPTHS = (72, 96, 118, 134, 146, 156, 164, 168, 166, 158, 138, 110)
RIB_DROPS = (30, 42, 52, 60, 68, 76, 84, 92, 96, 96, 80, 56)
RIB_ENDS = (138, 140, 140, 140, 138, 136, 132, 126, 118, 108, 78, 52)


def rib_curve(level: int, knots: int = 9) -> FloatArray:
    """Centre line (knots, 3) in mm of the right rib of vertebra T`level` (1..12), from that vertebra's middle."""
    i = level - 1
    angle = np.radians(np.linspace(7, RIB_ENDS[i], knots))
    half_depth = RIB_DEPTHS[i] / 2
    x = -RIB_HALF_WIDTHS[i] * np.sin(angle) ** 0.85
    y = 42 - half_depth * (1 - np.cos(angle)) - 18 * np.exp(-((angle / 0.28) ** 2))
    z = 8 - RIB_DROPS[i] * (1 - np.cos(angle)) / 1.75
    return np.stack([x, y, z], -1)


@cache
def clavicle() -> Bone:
    """Origin: sternal end; the right one runs to -x."""
    points = [(0, 0, 0), (-22, -9, 0), (-52, -13, 1), (-85, 2, 2), (-112, 14, 1), (-138, 10, 0)]
    return Bone(tube(points, [10.5, 8, 6.2, 5.8, 6.2, 7.5]), (1.0, 2.2), 2.6, 0)


def _blade() -> FloatArray:
    """Samples of the scapula's body (a, b, 3): a triangle between the glenoid's neck and the medial border."""
    down = np.linspace(0, 1, 90)[:, None]
    medial = np.array([96.0, 0.0, 52.0]) * (1 - down)[..., None] + np.array([84.0, 0.0, -112.0]) * down[..., None]
    lateral = np.array([10.0, 0.0, 16.0]) * (1 - down)[..., None] + np.array([72.0, 0.0, -112.0]) * down[..., None]
    across = np.linspace(0, 1, 70)[None, :, None]
    points = lateral * (1 - across) + medial * across
    bow = 8 * np.sin(np.pi * across[..., 0]) * np.sin(np.pi * (0.15 + 0.8 * down))
    points[..., 1] = bow
    return points


@cache
def scapula() -> Bone:
    """Origin: middle of the glenoid, which looks to -x; the blade lies in the plane of x and z."""
    points = _blade()
    across = np.linspace(0, 1, 70)[None, :]
    half = (
        1.9 + 3.6 * np.exp(-((across / 0.09) ** 2)) + 1.2 * np.exp(-(((across - 1) / 0.06) ** 2)) + 0 * points[..., 0]
    )
    ridge = np.stack(
        [
            np.linspace(92, 8, 60)[:, None] + 0 * np.linspace(0, 1, 16),
            4 + np.linspace(0, 1, 16) * np.linspace(6, 24, 60)[:, None],
            np.linspace(6, 30, 60)[:, None] + np.linspace(-1, 2, 16),
        ],
        -1,
    )
    whole = blend(
        4,
        sheet(points, half),
        sheet(ridge, 1.9),
        tube(
            [(92, 8, 6), (45, 22, 20), (8, 32, 31), (-16, 25, 36), (-31, 4, 36), (-28, -10, 35)], [3.5, 4, 5, 5, 4.5, 4]
        ),
        placed(ellipsoid((0, 0, 0), (12, 22, 4.5)), (-22, 8, 36), (0, 12, -12)),  # acromion
        ellipsoid((6, 0, 0), (6.5, 13.5, 19)),  # glenoid
        tube([(20, 0, 6), (8, 0, 2)], [8, 10]),  # neck
        tube([(16, -4, 20), (12, -17, 30), (2, -29, 29), (-8, -37, 23)], [8, 6.5, 6, 5.5]),  # coracoid process
    )
    socket = ellipsoid((-27, 0, 0), (28, 28, 28))
    plate = GrowthPlate((12, -14, 25), (-0.3, -0.9, 0.2), 1, 15)
    return Bone(carve(whole, socket, k=1.5), (1.1, 1.1), 3.2, None, plates=(plate,))


@cache
def sternum() -> Bone:
    """Origin: the jugular notch; the bone runs down to -z."""
    u = np.linspace(-1, 1, 30)[None, :]
    z = np.linspace(-4, -150, 90)[:, None]
    half_width = np.interp(-z[:, 0], [0, 12, 30, 46, 56, 100, 135, 150], [24, 31, 25, 17, 16, 19, 15, 6])[:, None]
    points = np.stack([u * half_width, -0.12 * (z + 4) * 0 + 0.10 * z - 2 * u**2, z + 0 * u], -1)
    return Bone(sheet(points, 5.0), (0.9, 0.9), 3.6, None)
