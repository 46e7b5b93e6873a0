"""Carpals, metacarpals and phalanges of the hand."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone, across
from raytruth_phantom.solids import Solid, ball, blend, block, carve, column, ellipsoid, placed, tube

# lengths in mm, thumb to little finger
METACARPAL_LENGTHS = (46.0, 67.0, 64.0, 57.0, 53.0)
PHALANX_LENGTHS = ((31.0, 22.0), (39.5, 23.0, 16.5), (44.0, 28.0, 17.5), (41.0, 26.5, 17.5), (32.5, 18.5, 16.0))
# where each metacarpal's base lies in the carpal frame, how far it points to the little finger's side and to the palm
# (degrees)
METACARPAL_BASES = ((-27, -11, -31), (-13.5, -1, -35), (-0.5, 1, -38), (10.5, 0, -36.5), (20, -3, -33.5))
METACARPAL_DIRECTIONS = ((-38, 24), (-7, 2), (0, 0), (7, 3), (14, 7))


def _wedge(
    centre: tuple[float, float, float], half: tuple[float, float, float], turn: tuple[float, float, float]
) -> Solid:
    return placed(block((0, 0, 0), half, min(half) * 0.75), centre, turn)


@cache
def carpals() -> dict[str, Bone]:
    """The eight carpals in one frame; origin: middle of the radius' distal joint face."""
    joint = ball((3, 0, -21), 8.4)  # the capitate's head, in the hollow of scaphoid and lunate
    shapes = {
        "scaphoid": (
            carve(tube([(-7, 1, -7), (-12, -1, -12), (-18, -6, -19)], [7.4, 5.6, 5.6]), joint, k=1.5),
            (5.0, 14.0),
        ),
        "lunate": (carve(ellipsoid((6, 0, -8.5), (8.6, 9, 8.2)), joint, k=1.5), (4.0, 13.0)),
        "triquetrum": (_wedge((19, 2, -12.5), (7.5, 7, 7.5), (0, -25, 0)), (3.0, 12.0)),
        "pisiform": (ellipsoid((21, -9, -13), (5, 5, 6)), (10.0, 14.0)),
        "trapezium": (_wedge((-24, -7, -24), (7.5, 8, 6.5), (0, 35, 0)), (5.0, 13.0)),
        "trapezoid": (_wedge((-12.5, 0, -27), (5.4, 8, 6.2), (0, 15, 0)), (5.5, 13.0)),
        "capitate": (
            blend(4, ball((3, 0, -20), 7.0), _wedge((0.5, 0, -29.5), (7.2, 8.5, 7.2), (0, 0, 0))),
            (0.3, 11.0),
        ),
        "hamate": (
            blend(
                2.5,
                _wedge((14.5, 1, -27.5), (7.8, 7.5, 8.4), (0, -20, 0)),
                tube([(15, -5, -29), (15, -12, -29)], [4.5, 3]),
            ),
            (0.4, 12.0),
        ),
    }
    return {name: Bone(solid, (0.9, 0.9), 1.8, None, ossifies=ages) for name, (solid, ages) in shapes.items()}


@cache
def metacarpal(thumb: bool = False) -> Bone:
    """A metacarpal 64 mm long; origin: middle of its base, pointing down."""
    shaft = column(
        [-64, -62, -57, -50, -34, -16, -7, -2, 0],
        0,
        [0, 0, 0, 0.5, 1.6, 1, 0, 0, 0],
        [4.5, 6.2, 7, 6, 4.1, 4.8, 7, 7.4, 7.2],
        [5.5, 7.5, 7.6, 6.2, 4.5, 5, 7.6, 8.2, 8],
        rounding=2.5,
        triangular=0.05,
    )
    # the thumb's plate lies at its base, the fingers' at the heads
    plate = across(-9, 1, 2.5, 16) if thumb else across(-52, -1, 2, 16)
    return Bone(shaft, (0.8, 2.1), 1.8, plates=(plate,))


@cache
def proximal_phalanx() -> Bone:
    """A proximal phalanx 42 mm long; origin: middle of its base."""
    shaft = column(
        [-42, -40, -36, -30, -20, -9, -3, 0],
        0,
        [0, 0, 0, 0.3, 1, 0.5, 0, 0],
        [5.2, 6, 6, 5, 4.4, 5.8, 7.6, 7.4],
        [3.5, 4.6, 4.6, 3.8, 3.6, 5, 6.4, 6.2],
        rounding=2,
    )
    return Bone(carve(shaft, ball((0, -1, -45.5), 4.6), k=1.5), (0.8, 1.7), 1.6, plates=(across(-5.5, 1, 2, 15.5),))


@cache
def middle_phalanx() -> Bone:
    """A middle phalanx 26 mm long; origin: middle of its base."""
    shaft = column(
        [-26, -24.5, -21, -14, -7, -2.5, 0],
        0,
        [0, 0, 0, 0.6, 0.3, 0, 0],
        [4.4, 5.1, 4.7, 3.8, 4.8, 6.4, 6],
        [3, 3.8, 3.7, 3.1, 4.2, 5.2, 5],
        rounding=2,
    )
    return Bone(carve(shaft, ball((0, -1, -29), 4.2), k=1.2), (0.7, 1.4), 1.5, plates=(across(-4.5, 1, 2.5, 15.5),))


@cache
def distal_phalanx() -> Bone:
    """A distal phalanx 18 mm long; origin: middle of its base."""
    shaft = column(
        [-18, -16.5, -14, -10, -6, -2, 0],
        0,
        [-0.5, -0.5, -0.3, 0, 0, 0, 0],
        [3, 4.2, 3.9, 2.7, 3.4, 5.3, 5],
        [1.5, 2.1, 2.1, 2.1, 2.7, 4, 3.8],
        rounding=1.5,
    )
    return Bone(shaft, (0.6, 1.0), 1.3, plates=(across(-4, 1, 2.5, 15.5),))
