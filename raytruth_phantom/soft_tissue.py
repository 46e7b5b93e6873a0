"""Skin, fat and muscle around a posed skeleton, lungs and bowel gas inside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raytruth_phantom.bones.foot import METATARSAL_BASES
from raytruth_phantom.frames import at
from raytruth_phantom.meshes import Mesh, loft
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.solids import FloatArray, Solid, column, ellipsoid, tube

Stations = Sequence[
    tuple[str, tuple[float, float, float], float]
]  # frame, point in it (adult mm), radius (slim adult, mm)

_UPPER_ARM: Stations = (
    ("humerus", (-8, 0, 2), 50),
    ("humerus", (-12, 0, -70), 46),
    ("humerus", (-8, -6, -170), 41),
    ("humerus", (-5, 0, -250), 38),
    ("elbow", (-4, 4, 0), 36),
)
_RADIAL_SIDE: Stations = (
    ("elbow", (-8, 0, 2), 35),
    ("radius", (0, 0, -45), 34),
    ("radius", (0, 0, -110), 29),
    ("radius", (0, 0, -180), 20.5),
    ("radius", (0, 0, -226), 18),
)
_ULNAR_SIDE: Stations = (
    ("elbow", (2, 6, -20), 33),
    ("elbow", (4, 4, -80), 32),
    ("elbow", (3, 3, -160), 24),
    ("elbow", (3, 2, -238), 17),
)
_THIGH: Stations = (
    ("femur", (-22, 4, 10), 78),
    ("femur", (-24, 4, -90), 80),
    ("femur", (-22, 2, -190), 73),
    ("femur", (-16, 0, -300), 62),
    ("femur", (-8, 0, -390), 54),
    ("knee", (0, -4, 0), 52),
)
_CALF: Stations = (
    ("knee", (0, -2, 0), 52),
    ("tibia", (-6, 6, -45), 50),
    ("tibia", (-6, 16, -110), 54),
    ("tibia", (-6, 13, -190), 46),
    ("tibia", (-3, 6, -280), 35),
    ("ankle", (-3, 2, 20), 33),
    ("ankle", (-2, 4, -12), 33),
)


def _chain(pose: Pose, stations: Stations, size: float, build: float) -> list[Solid]:
    """A limb's outline through its stations; `build` widens it."""
    points = [at(pose.frames[frame], np.multiply(point, size)) for frame, point, _ in stations]
    radii = [radius * size * build for _, _, radius in stations]
    return [tube(points, radii)]


def arm_envelope(pose: Pose, patient: Patient) -> list[Solid]:
    """Solids; their blended union is the skin of a posed right arm."""
    s, build = patient.size, float(np.sqrt(patient.build))
    solids = upper_arm_envelope(pose, patient)
    solids += _chain(pose, _RADIAL_SIDE, s, build**0.6)
    solids += _chain(pose, _ULNAR_SIDE, s, build**0.6)
    thick = s * build**0.35
    wrist = pose.frames["wrist"]
    for finger in range(5):
        knuckle = pose.frames[f"metacarpal_{finger}"]
        last = 1 if finger == 0 else 2
        names = [f"phalanx_{finger}_{j}" for j in range(last + 1)] + [f"tip_{finger}"]
        line = [at(wrist, (0, -2, -8)), knuckle[:3, 3], *(pose.frames[n][:3, 3] for n in names)]
        radii = np.array([19, 15.5, 12.5, 9.8, 8.4, 7.0] if finger else [19, 17, 14.5, 11, 8.5]) * thick
        solids.append(tube(line, radii))
    return solids


def upper_arm_envelope(pose: Pose, patient: Patient) -> list[Solid]:
    """The skin of a posed right arm down to the elbow."""
    return _chain(pose, _UPPER_ARM, patient.size, float(np.sqrt(patient.build)))


def upper_leg_envelope(pose: Pose, patient: Patient) -> list[Solid]:
    """The skin of a posed right leg down to the ankle."""
    s, build = patient.size, float(np.sqrt(patient.build))
    return _chain(pose, _THIGH, s, build) + _chain(pose, _CALF, s, build**0.75)


def leg_envelope(pose: Pose, patient: Patient) -> list[Solid]:
    """Solids; their blended union is the skin of a posed right leg."""
    s, build = patient.size, float(np.sqrt(patient.build))
    solids = upper_leg_envelope(pose, patient)
    ankle = pose.frames["ankle"]
    thick = s * build**0.3
    heel, mid = (at(ankle, np.multiply(p, s)) for p in ((-3, 42, -44), (2, 0, -24)))
    solids.append(tube([heel, mid], [26 * thick, 31 * thick]))
    for toe in range(5):
        base = at(ankle, np.multiply(METATARSAL_BASES[toe], s))
        names = [f"toe_{toe}_{j}" for j in range(2 if toe == 0 else 3)] + [f"toe_tip_{toe}"]
        line = [mid, base, *(pose.frames[n][:3, 3] for n in names)]
        radii = np.array([26, 20, 15, 10.5, 9.5, 7.5] if toe else [26, 21, 18, 14.5, 10]) * thick
        solids.append(tube(line, radii))
    return solids


def cast_envelope(limb: str, pose: Pose, patient: Patient) -> list[Solid]:
    """The area of a cast on an `arm` or `leg`: forearm and palm, calf and hindfoot, without fingers and toes."""
    s, build = patient.size, float(np.sqrt(patient.build))
    if limb == "arm":
        palm = [pose.frames["wrist"][:3, 3], *(pose.frames[f"metacarpal_{i}"][:3, 3] for i in (2, 3))]
        knuckle = at(pose.frames["metacarpal_2"], (0, 0, -42 * s))
        thick = s * build**0.35
        sides = _chain(pose, _RADIAL_SIDE[1:], s, build**0.6) + _chain(pose, _ULNAR_SIDE[1:], s, build**0.6)
        return [*sides, tube([palm[0], (palm[1] + palm[2]) / 2, knuckle], [24 * thick, 27 * thick, 27 * thick])]
    ankle = pose.frames["ankle"]
    heel, instep, ball = (at(ankle, np.multiply(p, s)) for p in ((-3, 42, -44), (2, 0, -24), (0, -95, -36)))
    thick = s * build**0.3
    foot = [tube([heel, instep], [28 * thick, 33 * thick]), tube([instep, ball], [33 * thick, 26 * thick])]
    return _chain(pose, _CALF[1:], s, build**0.75) + foot


def trunk_envelope(pose: Pose, patient: Patient) -> list[Solid]:
    """Solids; their blended union is the skin of the trunk, neck and head."""
    s = patient.size
    wide, deep = s * patient.build**0.42, s * patient.build**0.62
    heights = {name: pose.frames[name][:3, 3] for name in ("L5", "L2", "T11", "T7", "T4", "T1", "C5", "C2")}
    spine = np.array(list(heights.values()))
    z = np.concatenate([[-150 * s, -60 * s], spine[:, 2]])
    forward = np.concatenate([[-5 * s, 0], spine[:, 1] + s * np.array([-40, -55, -58, -62, -40, -12, -14, -14])])
    middle = np.concatenate([[0, 0], spine[:, 0] * 0.8])
    half_wide = np.array([150, 168, 160, 136, 140, 142, 120, 62, 56, 56]) * wide
    half_deep = np.array([96, 110, 102, 94, 106, 114, 88, 58, 56, 58]) * deep
    torso = column(z, middle, forward, half_wide, half_deep, power=2.4, rounding=20 * s)
    solids = [torso]
    for side in ("", "left_"):
        shoulder = pose.frames[side + "shoulder"][:3, 3]
        neck = pose.frames["C6"][:3, 3]
        solids.append(tube([shoulder, shoulder * (0.45, 1, 1) + (0, 0, 18 * s)], [48 * wide, 44 * wide]))
        solids.append(tube([shoulder * (0.45, 1, 1) + (0, 0, 18 * s), neck], [44 * wide, 50 * s]))
    if patient.sex == "F" and patient.age > 14:
        chest = pose.frames["T7"][:3, 3]
        solids += [
            ellipsoid(chest + np.multiply((side * 78, -165, -10), s), np.multiply((62, 50, 64), wide))
            for side in (-1, 1)
        ]
    head = pose.frames["head"]
    scale = patient.scale("head")
    solids.append(tube([at(head, scale * (0, 14, 62)), at(head, scale * (0, -22, 58))], 82 * scale[0]))
    solids.append(
        tube(
            [at(head, scale * (0, -32, 16)), at(pose.frames["jaw"], scale * (0, -56, -44))],
            [66 * scale[0], 44 * scale[0]],
        )
    )
    return solids


def lungs(pose: Pose, patient: Patient) -> list[Solid]:
    """Both lungs, from which `heart` is cut out."""
    scale = patient.scale("thorax")
    apex, base = pose.frames["T2"][:3, 3] + (0, 0, 16), pose.frames["T10"][:3, 3] - (0, 0, 18)
    z = np.linspace(base[2], apex[2], 6)
    y = np.linspace(base[1] - 46 * scale[1], apex[1] - 22 * scale[1], 6)
    wide, deep = np.array([50, 50, 48, 43, 33, 18]) * scale[0], np.array([80, 80, 75, 65, 47, 22]) * scale[1]
    middle = np.array([76, 76, 73, 66, 54, 42]) * scale[0]
    return [column(z, side * middle, y, wide, deep, power=2.6, rounding=18 * scale[2]) for side in (-1, 1)]


def heart(pose: Pose, patient: Patient) -> list[Solid]:
    """Heart, great vessels and the domes of the diaphragm: soft tissue that stands out against the lungs."""
    scale = patient.scale("thorax")
    aorta, middle, below = (pose.frames[level][:3, 3] for level in ("T5", "T8", "T11"))
    return [
        ellipsoid(middle + scale * (22, -95, -6), scale * (62, 46, 56)),
        tube([aorta + scale * (4, -60, 8), middle + scale * (-8, -80, 20)], 26 * scale[0]),
        ellipsoid(below + scale * (-70, -66, -14), scale * (78, 84, 46)),
        ellipsoid(below + scale * (70, -66, -24), scale * (74, 84, 46)),
    ]


def airway(pose: Pose, patient: Patient) -> Mesh:
    """Pharynx and trachea, down to where the bronchi part."""
    scale = patient.scale("spine")
    before = (
        ("C2", -22.0, 7.0),
        ("C4", -24.0, 8.0),
        ("C6", -30.0, 7.5),
        ("T1", -34.0, 8.0),
        ("T3", -40.0, 8.5),
        ("T5", -34.0, 7.0),
    )
    line = [at(pose.frames[level], scale * (0, y, 0)) for level, y, _ in before]
    return loft(line, np.array([(radius, radius) for *_, radius in before]) * scale[0], sections=30, sides=10)


def fat_thickness(patient: Patient, slim: float) -> float:
    """Millimetres of fat under the skin; `slim` is the value of a slim adult."""
    return slim * patient.size * patient.build**1.3


def bowel_gas(
    rng: np.random.Generator, centre: FloatArray, spread: FloatArray, size: float
) -> list[tuple[FloatArray, FloatArray]]:
    """Centres and radii (3,) of gas bubbles in the bowel around `centre`."""
    bubbles: list[tuple[FloatArray, FloatArray]] = []
    for _ in range(int(rng.integers(2, 6))):
        # a loop of bowel: a chain of bubbles, flat because gas floats on the content
        middle = centre + rng.normal(size=3) * spread
        way = rng.normal(size=3) * (1, 0.2, 1)
        for _ in range(int(rng.integers(2, 7))):
            radius = rng.lognormal(2.2, 0.35) * size
            bubbles.append((middle, radius * np.array([1, 0.55, 1]) * rng.uniform(0.7, 1.3, 3)))
            way = way + rng.normal(size=3) * (0.7, 0.1, 0.7)
            middle = middle + way / np.linalg.norm(way) * radius * 1.3
    return bubbles
