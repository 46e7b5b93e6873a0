"""Vertebrae."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone
from raytruth_phantom.solids import Solid, blend, block, carve, column, ellipsoid, placed, tube


def _body(half_width: float, half_depth: float, half_height: float, power: float = 2.3) -> Solid:
    h = half_height
    waist = [1.0, 0.97, 0.88, 0.97, 1.0]
    return column(
        [-h, -0.8 * h, 0, 0.8 * h, h],
        0,
        0,
        [half_width * w for w in waist],
        [half_depth * w for w in waist],
        power=power,
        rounding=2.5,
    )


def _both(make: object, *sides: float) -> list[Solid]:
    return [make(s) for s in sides or (-1.0, 1.0)]  # type: ignore[operator]


@cache
def lumbar() -> Bone:
    """L3; origin: middle of the body."""
    parts = [
        _body(24, 17, 14),
        ellipsoid((0, 51, -9), (3.2, 15, 10)),  # spinous process
        *_both(lambda s: tube([(s * 14, 12, 5), (s * 15, 24, 4)], [5.5, 5.5])),  # pedicles
        *_both(lambda s: tube([(s * 15, 26, -2), (s * 3, 38, -8)], [4.5, 4.5])),  # laminae
        *_both(lambda s: tube([(s * 17, 24, 4), (s * 41, 29, 6)], [4.5, 2.6])),  # transverse processes
        *_both(lambda s: ellipsoid((s * 18, 28, 13), (4.5, 5, 8))),  # superior articular processes
        *_both(lambda s: ellipsoid((s * 12, 33, -17), (4.5, 5, 9))),
    ]
    return Bone(blend(3, *parts), (0.9, 0.9), 3.0, None)


@cache
def thoracic() -> Bone:
    """T7; origin: middle of the body."""
    parts = [
        _body(16, 14.5, 10.5, 2.0),
        tube([(0, 28, 0), (0, 40, -10), (0, 54, -26)], [4, 4, 3]),
        *_both(lambda s: tube([(s * 9, 10, 5), (s * 10, 21, 4)], [4, 4])),
        *_both(lambda s: tube([(s * 10, 22, 0), (s * 2, 31, -5)], [4, 4])),
        *_both(lambda s: tube([(s * 12, 23, 4), (s * 31, 36, 7)], [4.5, 4.2])),
        *_both(lambda s: ellipsoid((s * 10, 25, 10), (5, 3, 6))),
        *_both(lambda s: ellipsoid((s * 9, 28, -11), (5, 3, 6))),
    ]
    return Bone(blend(3, *parts), (0.8, 0.8), 2.9, None)


@cache
def cervical() -> Bone:
    """C5; origin: middle of the body."""
    parts = [
        _body(11, 8.5, 6.6, 2.6),
        *_both(lambda s: ellipsoid((s * 10.5, 1, 6.5), (2.5, 5, 3.5))),  # uncinate processes
        *_both(lambda s: tube([(s * 13, 5, 1), (s * 17, 12, 0)], [4, 4.5])),
        *_both(lambda s: tube([(s * 17, 13, 7.5), (s * 17, 15, -7.5)], [5, 5])),  # articular pillars
        *_both(lambda s: tube([(s * 16, 18, -2), (s * 2, 30, -4)], [3.4, 3.2])),
        *_both(lambda s: tube([(0, 29, -4), (s * 4, 42, -9)], [3.6, 2.8])),  # bifid spinous process
        *_both(lambda s: tube([(s * 14, 0, 0), (s * 23, 3, -3)], [3.5, 3])),
    ]
    return Bone(blend(2, *parts), (0.7, 0.7), 2.2, None)


@cache
def axis() -> Bone:
    """C2 with its dens; origin: middle of the body."""
    parts = [
        _body(9.5, 8, 8.5, 2.4),
        tube([(0, -2, 6), (0, -1.5, 22)], [5.6, 4.6]),
        *_both(lambda s: placed(block((0, 0, 0), (9, 8, 4.5), 3), (s * 15, 2, 7), (0, s * 18, 0))),
        *_both(lambda s: tube([(s * 16, 10, -4), (s * 2, 31, -3)], [4.5, 4.2])),
        tube([(0, 30, -3), (0, 43, -8)], [6, 5]),
        *_both(lambda s: ellipsoid((s * 16, 14, -8), (5, 5, 5))),
    ]
    return Bone(blend(3, *parts), (0.8, 0.8), 2.3, None)


@cache
def atlas() -> Bone:
    """C1; in the frame of C2."""
    ring = [
        (0, -12, 19),
        (-12, -6, 19),
        (-19, 4, 19),
        (-15, 18, 19),
        (0, 27, 19),
        (15, 18, 19),
        (19, 4, 19),
        (12, -6, 19),
    ]
    parts = [
        tube([*ring, ring[0]], [4, 4, 5, 3.5, 4, 3.5, 5, 4, 4]),
        *_both(lambda s: placed(block((0, 0, 0), (7, 9, 6.5), 4), (s * 17, 2, 19), (0, s * 14, 0))),
        *_both(lambda s: tube([(s * 20, 4, 19), (s * 36, 6, 17)], [5, 4])),
    ]
    whole = blend(2, *parts)
    return Bone(carve(whole, tube([(0, -1, 5), (0, -1, 32)], 7.2), k=1), (0.8, 0.8), 2.3, None)
