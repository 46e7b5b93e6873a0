"""Cranium and mandible: detailed enough for cervical spines, shoulders and out-of-domain skull images."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone
from raytruth_phantom.solids import ball, blend, block, carve, ellipsoid, placed, tube

DENTAL_ARCH = tuple((x, -87 + 0.032 * x * x, 0.0) for x in (-26, -22, -17, -12, -7, -2.4, 2.4, 7, 12, 17, 22, 26))
OCCLUSION = -38.0  # mm below the foramen magnum: height at which the teeth meet

_BOTH = (-1.0, 1.0)


@cache
def vault() -> Bone:
    """The braincase; origin: middle of the foramen magnum, face towards -y."""
    outer = blend(12, ellipsoid((0, -2, 68), (70, 90, 66)), ellipsoid((0, 24, 48), (66, 66, 48)))
    face = ellipsoid((0, -88, -34), (90, 66, 76))
    return Bone(carve(outer, face, k=16), (4.4, 4.4), 6.5, None)


@cache
def cranial_base() -> Bone:
    """Skull base and face without the vault, in the vault's frame."""
    parts = [
        block((0, -22, 12), (20, 22, 8), 6),  # clivus and sphenoid body
        block((0, -66, -17), (30, 18, 14), 9),  # maxilla
        tube([(-48, -64, 34), (-28, -82, 44), (0, -86, 44), (28, -82, 44), (48, -64, 34)], [5, 5, 6, 5, 5]),  # brow
        tube([(0, -84, 42), (0, -90, 24)], [6, 4.5]),  # nasal bones
        block((0, -60, 8), (6, 20, 24), 4),  # ethmoid and septum
        *(tube([(s * 28, -12, 12), (s * 58, 8, 8)], [9, 10]) for s in _BOTH),  # petrous bones
        *(tube([(s * 58, 14, 4), (s * 54, 10, -22)], [11, 6]) for s in _BOTH),  # mastoid processes
        *(tube([(s * 22, -76, -4), (s * 46, -64, 2), (s * 64, -36, 4), (s * 64, -6, 5)], [8, 8, 4, 4]) for s in _BOTH),
        *(tube([(s * 47, -62, 4), (s * 51, -62, 32)], [5, 4.5]) for s in _BOTH),  # lateral orbital walls
        *(tube([(s * 18, 0, 2), (s * 12, 30, 4)], [6, 5]) for s in _BOTH),  # around the foramen magnum
    ]
    caves = [
        *(ellipsoid((s * 30, -62, 21), (17, 24, 16)) for s in _BOTH),  # orbits
        *(ellipsoid((s * 21, -64, -9), (11, 14, 12)) for s in _BOTH),  # maxillary sinuses
        *(ellipsoid((s * 5, -66, -6), (4, 30, 15)) for s in _BOTH),  # nasal cavity
        *(ellipsoid((s * 11, -86, 45), (8, 4, 5)) for s in _BOTH),  # frontal sinuses
        ellipsoid((0, -38, 13), (10, 10, 8)),
        *(placed(ball((0, 0, 0), 7), (s * 56, 12, -8)) for s in _BOTH),
    ]
    return Bone(carve(blend(4, *parts), *caves, k=3), (1.3, 1.3), 3.8, None)


@cache
def mandible() -> Bone:
    """In the vault's frame, jaw closed."""
    parts = []
    for s in _BOTH:
        parts += [
            tube([(0, -91, -68), (s * 13, -87, -68), (s * 30, -62, -64), (s * 46, -24, -56)], [8, 8, 7.5, 7.5]),
            tube([(0, -87, -53), (s * 14, -81, -53), (s * 29, -57, -51)], [5, 5, 5.5]),
            tube([(s * 46, -24, -56), (s * 49, -16, -26), (s * 52, -6, 2)], [8, 6, 5]),
            tube([(s * 45, -30, -40), (s * 47, -32, -2)], [8, 3]),
        ]
    return Bone(blend(4, *parts), (1.9, 1.9), 3.2, None)


@cache
def tooth() -> Bone:
    """A tooth of the upper jaw: dense throughout; origin: middle of its crown, root up."""
    return Bone(
        blend(2, ellipsoid((0, 0, 0), (3.4, 3.8, 4.6)), tube([(0, 0, 0), (0, 0, 12)], [2.6, 1.4])),
        (6.0, 6.0),
        1.8,
        None,
    )
