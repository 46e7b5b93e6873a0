"""Tarsals, metatarsals, phalanges and sesamoids of the foot."""

from __future__ import annotations

from functools import cache

from raytruth_phantom.bones.bone import Bone, across
from raytruth_phantom.solids import Solid, ball, blend, block, carve, column, ellipsoid, placed, slab, tube

# each metatarsal's base and head in the foot's frame, great toe to little toe
METATARSAL_BASES = ((18.5, -75, -23), (7.5, -71, -17.5), (-2, -73, -20), (-12, -68.5, -25), (-22, -64.5, -31))
METATARSAL_HEADS = ((25, -135, -48), (11.5, -144, -47), (-1.5, -139, -47), (-14.5, -131, -47), (-28, -122, -47))
# proximal, middle, distal (great toe: proximal, distal)
TOE_LENGTHS = ((30.0, 23.0), (26.0, 12.0, 10.0), (24.0, 10.5, 10.0), (22.0, 9.0, 9.5), (20.0, 8.0, 9.0))


def talus_room() -> Solid:
    """The space above the calcaneus for the talus and the cartilage between them."""
    return blend(2, block((0, 8, -9), (18, 16, 8), 5), ellipsoid((4, -20, -10), (13, 20, 11)))


@cache
def tarsals() -> dict[str, Bone]:
    """The seven tarsals and the great toe's sesamoids in one frame; origin: centre of the talar dome, sole down."""
    dome = slab(tube([(-60, 0, 0), (60, 0, 0)], 18.0), 0, -16, 14.5)
    talus = carve(
        blend(
            5,
            dome,
            block((-1, 4, -11), (14, 19, 7), 5),
            tube([(2, -12, -7), (6, -23, -9), (8, -32, -11)], [11, 10, 12.5]),  # neck and head
            tube([(0, 16, -12), (-1, 25, -13)], [8, 5]),  # posterior process
        ),
        tube([(-20, 6, -31), (20, 2, -31)], 14.5),  # posterior joint face
        ellipsoid((-9, -14, -19), (9, 8, 5)),  # tarsal sinus
        k=3,
    )
    calcaneus = carve(
        blend(
            8,
            tube([(-3, 36, -36), (-5, 16, -33), (-8, -6, -35), (-13, -25, -33)], [16, 15, 13, 10.5]),
            tube([(-3, 46, -30), (-3, 46, -48)], [12, 13]),  # tuber
            ellipsoid((11, -5, -26), (9, 10, 4.5)),  # sustentaculum tali
            ellipsoid((-4, 8, -27), (12, 13, 9)),  # posterior joint face
        ),
        ellipsoid((-9, -14, -21), (9, 8, 5)),
        talus_room(),
        k=2,
    )
    navicular = carve(ellipsoid((11, -46.5, -15), (17, 8.5, 12.5)), ball((8.5, -32, -11), 14), k=1.5)
    shapes: dict[str, tuple[Solid, tuple[float, float] | None]] = {
        "talus": (talus, (-0.2, 9)),
        "calcaneus": (calcaneus, (-0.3, 9)),
        "navicular": (navicular, (3, 11)),
        "cuboid": (placed(block((0, 0, 0), (11, 14.5, 10.5), 8), (-18, -49, -29), (0, 15, 12)), (0.0, 10)),
        "medial_cuneiform": (placed(block((0, 0, 0), (6.5, 10.5, 12.5), 6), (19, -63, -20), (0, 10, -5)), (2, 11)),
        "intermediate_cuneiform": (block((8.5, -61.5, -14.5), (6, 8, 8.5), 5), (2.5, 11)),
        "lateral_cuneiform": (placed(block((0, 0, 0), (6.3, 10, 10), 5.5), (-3, -60.5, -19), (0, -10, 5)), (1, 10)),
        "medial_sesamoid": (ellipsoid((29, -131, -59), (4.5, 6, 3.5)), (9, 14)),
        "lateral_sesamoid": (ellipsoid((20, -131, -59), (4.5, 6, 3.5)), (9, 14)),
    }
    coarse = {"talus", "calcaneus"}
    return {
        name: Bone(solid, (1.1, 1.1), 2.8 if name in coarse else 2.2, None, ossifies=ages)
        for name, (solid, ages) in shapes.items()
    }


@cache
def metatarsal(great_toe: bool = False) -> Bone:
    """A metatarsal 72 mm long; origin: middle of its base, pointing down its shaft, sole towards -y."""
    shaft = column(
        [-72, -70, -65, -58, -40, -18, -8, -2, 0],
        0,
        [0, 0, 0, 0.5, 2, 1.5, 0, 0, 0],
        [3.5, 5, 5.6, 4.6, 3.6, 4.4, 6.8, 7.6, 7.4],
        [5, 7, 7.4, 5.5, 3.9, 5, 8.6, 9.8, 9.6],
        rounding=2.5,
    )
    plate = across(-9, 1, 3, 16) if great_toe else across(-60, -1, 3.5, 16)
    return Bone(shaft, (0.8, 2.0), 2.0, plates=(plate,))


@cache
def fifth_metatarsal_styloid() -> Bone:
    """The tuberosity of the fifth metatarsal, in the foot's frame."""
    return Bone(tube([(-25, -66, -32), (-31, -54, -36)], [6, 3.2]), (0.8, 0.8), 2.0, None, ossifies=(11, 14))


@cache
def toe_phalanx() -> Bone:
    """A proximal phalanx of a toe, 26 mm long."""
    shaft = column(
        [-26, -24.5, -22, -15, -8, -3, 0],
        0,
        [0, 0, 0, 0.5, 0.3, 0, 0],
        [3.8, 4.6, 4.5, 3, 3.9, 6, 5.8],
        [2.8, 3.6, 3.6, 2.8, 3.6, 5.4, 5.2],
        rounding=2,
    )
    return Bone(carve(shaft, ball((0, 0, -29), 4), k=1.2), (0.7, 1.3), 1.6, plates=(across(-5, 1, 3, 15.5),))
