"""Femur, patella, tibia, fibula."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone, GrowthPlate, across
from raytruth_phantom.solids import ball, blend, carve, column, ellipsoid, slab, tube

KNEE_AXIS = (-5.0, 8.0, -430.0)  # in the femur's frame: middle of the condyles, axis of the tibia's rotation
TIBIAL_PLATEAU = (-5.0, 3.0, -457.0)  # the tibia's origin in the femur's frame, knee straight
PATELLA_CENTRE = (-6.0, -42.0, -412.0)
ANKLE_AXIS = (0.0, 4.0, -385.0)  # in the tibia's frame: centre of the talar dome


@cache
def femur() -> Bone:
    """Origin: centre of the head."""
    shaft = column(
        [-432, -414, -390, -360, -310, -225, -140, -95, -68, -46, -26],
        [-5, -6, -8.5, -12.5, -18, -26, -34, -39, -41, -42, -42],
        [2, 1, -1, -4, -8, -10, -7, -4, -1, 1, 2],
        [37, 36.5, 29, 20, 15.2, 14, 14.8, 16, 18, 18, 13],
        [23, 22, 18.5, 15.5, 14.2, 14, 14.8, 16, 18, 17, 12],
        rounding=10,
    )
    proximal = blend(
        9,
        shaft,
        tube([(-4, 0, -3), (-20, 1, -17), (-36, 3, -32)], [18, 15, 18]),  # neck
        tube([(-46, 6, -52), (-51, 8, -30), (-52, 10, -12)], [14, 14, 10]),  # greater trochanter
        ellipsoid((-27, 16, -66), (8, 8, 12)),  # lesser trochanter
    )
    whole = blend(
        7,
        blend(2, proximal, ball((0, 0, 0), 24)),
        ellipsoid((19, 8, -430), (17, 30, 22.5)),  # medial condyle
        ellipsoid((-29, 6, -429), (17, 31, 21.5)),
        ellipsoid((31, 5, -420), (8, 10, 12)),
        ellipsoid((-40, 4, -422), (6, 10, 12)),
    )
    notch = ellipsoid((-5, 22, -450), (9, 27, 20))
    groove = tube([(-6, -38, -400), (-6, -38, -445)], 14)
    fovea = ball((24, 5, -5), 4)
    plates = (
        GrowthPlate((-11, 0, -9), (0.78, 0.0, 0.62), 0.5, 17),
        GrowthPlate((-40, 6, -13), (-0.8, 0.1, 0.6), 4, 16),
        across(-407, -1, 0.0, 17.5),
    )
    return Bone(carve(whole, notch, groove, fovea, k=4), (1.3, 6.0), 3.4, plates=plates)


@cache
def patella() -> Bone:
    """Origin: its centre."""
    shape = blend(
        6,
        ellipsoid((0, 0, 4), (21.5, 9.5, 16)),
        ellipsoid((0, -1, -11), (11, 7.5, 12)),
        ellipsoid((3, 5, 3), (10, 8, 12)),
    )
    return Bone(shape, (1.6, 1.6), 2.6, None, ossifies=(3.5, 13))


@cache
def tibia() -> Bone:
    """Origin: middle of the plateau."""
    shaft = column(
        [-367, -358, -338, -305, -255, -190, -125, -75, -48, -30, -16, -2],
        [2, 2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0],
        [4, 4, 3, 2, 1, 0, -1, -1, 0, 3, 5, 5],
        [21, 22, 17.5, 14.5, 12.5, 12.8, 14, 17.5, 23, 30, 36, 37],
        [18, 18, 15, 12.5, 12, 14, 17, 20, 22, 23.5, 25, 24],
        triangular=0.10,
        rounding=7,
    )
    whole = blend(
        7,
        shaft,
        tube([(-2, -17, -66), (-3, -21, -42), (-3, -15, -28)], [7, 9, 7]),  # tuberosity
        tube([(5, 5, -6), (5.5, 4, 3)], [7, 1.8]),  # intercondylar eminence
        tube([(-6, 6, -6), (-6.5, 6, 2)], [7, 1.8]),
        tube([(16, 2, -352), (22, 0, -376)], [10, 6.5]),  # medial malleolus
    )
    hollow = (
        slab(tube([(-60, 4, -385), (60, 4, -385)], 20.5), 0, -50, 15.5),  # plafond
        ellipsoid((-31, 9, -356), (7.5, 9, 16)),  # fibular notch
        ellipsoid((21, 4, 21), (19, 24, 22)),  # medial joint face
        ellipsoid((-21, 4, 21), (18, 22, 21.5)),
    )
    return Bone(
        carve(whole, *hollow, k=2), (1.3, 5.2), 3.0, plates=(across(-17, 1, 0.0, 17), across(-353, -1, 0.5, 16.5))
    )


@cache
def fibula() -> Bone:
    """In the tibia's frame."""
    shape = tube(
        [
            (-37, 18, -15),
            (-36, 18, -26),
            (-33, 18, -60),
            (-31, 19, -180),
            (-31, 15, -300),
            (-27, 11, -345),
            (-26.5, 9, -374),
            (-26, 11, -394),
        ],
        [8.5, 8.5, 5.6, 6.2, 5.8, 7.0, 8.6, 4.5],
    )
    return Bone(shape, (1.1, 2.8), 2.3, plates=(across(-27, 1, 3.5, 17), across(-361, -1, 1, 16.5)))
