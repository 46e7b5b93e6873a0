"""Rigid frames as (4, 4) affines."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from raytruth_phantom.solids import FloatArray, Numbers

MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])  # right to left


def shift(offset: Numbers) -> FloatArray:
    """A translation by `offset` (3,) mm."""
    affine = np.eye(4)
    affine[:3, 3] = offset
    return affine


def turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> FloatArray:
    """A rotation by degrees about x, then y, then z (fixed axes)."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(np.radians((x, y, z))), np.cos(np.radians((x, y, z)))
    return np.array(
        [
            (cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz, 0.0),
            (cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz, 0.0),
            (-sy, sx * cy, cx * cy, 0.0),
            (0.0, 0.0, 0.0, 1.0),
        ]
    )


def turn_about(axis: Numbers, degrees: float) -> FloatArray:
    """A rotation by `degrees` about `axis` (3,) through the origin."""
    direction = np.asarray(axis, float) / np.linalg.norm(axis)
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * direction).as_matrix()
    return affine


def stretch(factors: Numbers) -> FloatArray:
    """A scaling by `factors` (3,)."""
    return np.diag([*np.asarray(factors, float), 1.0])


def aimed(origin: FloatArray, down: FloatArray, back: Numbers) -> FloatArray:
    """A frame at `origin`: -z points along `down`, and y is as close to `back` as possible."""
    z = -np.asarray(down, float) / np.linalg.norm(down)
    x = np.cross(np.asarray(back, float), z)
    x /= np.linalg.norm(x)
    return _framed(origin, x, np.cross(z, x), z)


def reaching(origin: FloatArray, aside: FloatArray, back: Numbers) -> FloatArray:
    """A frame at `origin`: -x points along `aside`, and y is as close to `back` as possible."""
    x = -np.asarray(aside, float) / np.linalg.norm(aside)
    z = np.cross(x, np.asarray(back, float))
    z /= np.linalg.norm(z)
    return _framed(origin, x, np.cross(z, x), z)


def _framed(origin: FloatArray, x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.stack([x, y, z], 1), origin
    return affine


def at(affine: FloatArray, point: Numbers) -> FloatArray:
    """`point` (3,) of a frame, in the frame's parent."""
    return affine[:3, :3] @ np.asarray(point, float) + affine[:3, 3]
