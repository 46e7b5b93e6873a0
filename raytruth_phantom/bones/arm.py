"""Humerus, ulna, radius."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone, GrowthPlate, across
from raytruth_phantom.solids import blend, carve, column, ellipsoid, tube

TROCHLEA = (9.0, -2.0, -303.0)  # in the humerus' frame: centre of rotation of the ulna
CAPITELLUM = (-16.0, -7.0, -302.0)
RADIAL_HEAD = (-25.0, -4.0, -15.0)  # in the ulna's frame: centre of rotation of the radius
ULNAR_HEAD = (3.0, 2.0, -240.0)
RADIAL_LENGTH = 226.0


@cache
def humerus() -> Bone:
    """Origin: centre of the head."""
    shaft = column(
        [-301, -292, -280, -262, -225, -165, -105, -60, -34, -8],
        [-5, -4.5, -5, -7.5, -9, -10, -10, -9.5, -9, -8],
        [-3, -1, 0, 0.5, 1, 1, 1, 0, 0, 0],
        [23, 26, 24, 17, 11.5, 11, 11.5, 12.5, 16.5, 19],
        [9, 8, 8, 9, 10.5, 11, 11.5, 12.5, 16, 18],
        rounding=5,
    )
    proximal = blend(
        6,
        shaft,
        ellipsoid((1, 2, 1), (23, 23, 23)),
        tube([(-19, -1, -28), (-21, -2, -6)], [12, 10.5]),  # greater tubercle
        tube([(-9, -13, -34), (-9, -17, -12)], [6, 6]),  # lesser tubercle
    )
    distal = blend(
        5,
        proximal,
        tube([(12, 2, -280), (26, 4, -286)], [9, 5.5]),  # medial epicondyle
        tube([(-20, 0, -284), (-29, 1, -288)], [8, 5]),
        tube([(-4, -2, -302), (7, -2, -301), (18, -2, -304)], [10, 8, 11]),
        ellipsoid(CAPITELLUM, (10, 11, 11)),
    )
    fossae = (ellipsoid((6, 10, -284), (11, 8, 9)), ellipsoid((6, -11, -286), (9, 6.5, 7)))
    head_plate = GrowthPlate((-8, 0, -18), (0.25, 0.0, 0.97), 0.5, 18)
    return Bone(carve(distal, *fossae, k=4), (1.2, 4.2), 2.9, plates=(head_plate, across(-289, -1, 1, 15)))


@cache
def ulna() -> Bone:
    """Origin: axis of the elbow, in the middle of the trochlear notch."""
    shaft = column(
        [-246, -238, -222, -160, -90, -45, -22],
        [3, 3, 3, 3, 1, 0, 0],
        [2, 2, 2, 5, 7, 5, 4],
        [6.5, 8, 6, 6.2, 7, 9, 10],
        [6.5, 8, 6, 6.5, 8, 10.5, 12],
    )
    proximal = blend(
        4,
        shaft,
        tube([(0, 6, -30), (0, 15, -8), (0, 16, 6), (0, 12, 13)], [10, 8.5, 9.5, 7]),  # olecranon
        tube([(0, 2, -24), (0, -11, -13)], [9, 4.5]),  # coronoid process
        ellipsoid((-9, -2, -18), (5, 8, 7)),
        tube([(7, 6, -238), (8.5, 7, -251)], [3.5, 2]),  # styloid process
    )
    notch = tube([(-24, 0, 0), (24, 0, 0)], 12.5)
    return Bone(carve(proximal, notch, k=1.5), (1.3, 2.8), 2.3, plates=(across(-236, -1, 6, 18),))


@cache
def radius() -> Bone:
    """Origin: middle of the head's upper face."""
    shaft = column(
        [-228, -222, -208, -185, -120, -60, -32, -19, -11, -9, 0],
        [1, 1, 0, -2, -7, -4, 0, 0, 0, 0, 0],
        [0, 0, 0, -1, -3, -1, 0, 0, 0, 0, 0],
        [17, 17.5, 15, 10.5, 7.6, 7.2, 7, 6.8, 9, 11, 11],
        [9.5, 10.5, 10, 8.5, 6.6, 6.6, 7, 6.8, 9, 11, 11],
        rounding=2,
    )
    whole = blend(
        3,
        shaft,
        ellipsoid((5, -1, -29), (5, 5, 9)),  # tuberosity
        tube([(-12, 0, -222), (-15, -1, -235)], [6.5, 3.2]),  # styloid process
        ellipsoid((4, 8, -216), (4, 3, 8)),  # dorsal tubercle
    )
    hollow = (ellipsoid((0, -1, -240), (22, 18, 14)), ellipsoid((0, 0, 12), (13, 13, 13.5)))
    plates = (across(-216, -1, 1, 17), across(-8, 1, 5, 15))
    return Bone(carve(whole, *hollow, k=1.5), (1.2, 2.6), 2.2, plates=plates)
