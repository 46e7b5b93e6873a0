"""Metal in and on patients: plates, nails, screws, wires, prostheses, rings, bracelets, chains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from raytruth_phantom.frames import at, shift, stretch
from raytruth_phantom.meshes import Mesh, loft, sampled
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.solids import FloatArray, ball, blend, block, carve, ellipsoid, slab, tube

Part = tuple[str, Mesh]  # material and shape, in the pose's space

# a shaft: frame, segment that gives the scale, stations (x, y, z, radius) in adult mm from the upper end down
_SHAFTS: dict[str, tuple[str, str, tuple[tuple[float, float, float, float], ...]]] = {
    "humerus": ("humerus", "upper_arm", ((-9, 0, -50, 13), (-10, 1, -165, 11), (-8, 0, -255, 15))),
    "radius": ("radius", "forearm", ((0, 0, -40, 7.5), (-7, -3, -120, 7.6), (-1, 0, -207, 12))),
    "ulna": ("elbow", "forearm", ((0, 7, -40, 9), (3, 5, -160, 6.3), (3, 2, -225, 7))),
    "femur": ("femur", "thigh", ((-41, 0, -70, 18), (-26, -10, -225, 14), (-11, -2, -375, 23))),
    "tibia": ("tibia", "leg", ((0, 0, -45, 23), (1, 0, -190, 13), (0, 3, -340, 17))),
    "fibula": ("tibia", "leg", ((-34, 18, -50, 6), (-31, 19, -180, 6.2), (-26, 9, -378, 8.5))),
}
_REGION_SHAFTS = {
    "shoulder": ("humerus",),
    "humerus": ("humerus",),
    "elbow": ("humerus", "ulna", "radius"),
    "forearm": ("radius", "ulna"),
    "wrist": ("radius",),
    "pelvis": ("femur",),
    "femur": ("femur",),
    "knee": ("femur", "tibia"),
    "lower_leg": ("tibia", "fibula"),
    "ankle": ("fibula", "tibia"),
}


def implants(region: str, pose: Pose, patient: Patient, rng: np.random.Generator) -> list[Part]:
    """Osteosynthesis or a prosthesis as found in images of `region`; empty if there is none for this region."""
    if region == "thoracolumbar_spine":
        return _spinal_fusion(pose, patient, rng)
    if region in ("hand", "foot"):
        return _wires(region, pose, rng)
    if region in _PROSTHESES and patient.age > 55 and rng.random() < 0.7:
        return [
            ("steel", _prosthesis(piece).transformed(pose.frames[frame] @ stretch(patient.scale(segment))))
            for piece, frame, segment in _PROSTHESES[region]
        ]
    if region not in _REGION_SHAFTS:
        return []
    shaft = str(rng.choice(_REGION_SHAFTS[region]))
    if rng.random() < 0.3 and shaft in ("femur", "tibia", "humerus") and patient.age > 15:
        return _nail(shaft, pose, patient, rng)
    return _plate(shaft, region, pose, patient, rng)


def _stations(shaft: str, pose: Pose, patient: Patient) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Frame (4, 4), points (n, 3) in it and radii (n,) of a shaft, mm of this patient."""
    frame, segment, stations = _SHAFTS[shaft]
    scale = patient.scale(segment)
    table = np.array(stations)
    return pose.frames[frame], table[:, :3] * scale, table[:, 3] * scale[0]


def _along(
    points: FloatArray, radii: FloatArray, fractions: Sequence[float] | FloatArray
) -> tuple[FloatArray, FloatArray]:
    z = points[:, 2]
    heights = z[0] + np.asarray(fractions) * (z[-1] - z[0])
    centre = np.stack([np.interp(heights, z[::-1], points[::-1, i]) for i in (0, 1)] + [heights], -1)
    return centre, np.interp(heights, z[::-1], radii[::-1])


def _plate(shaft: str, region: str, pose: Pose, patient: Patient, rng: np.random.Generator) -> list[Part]:
    frame, points, radii = _stations(shaft, pose, patient)
    upper = region in ("shoulder", "pelvis") or (region in ("knee",) and shaft == "tibia")
    lower = region in ("wrist", "ankle") or (region in ("knee", "elbow") and shaft in ("femur", "humerus"))
    start = rng.uniform(0, 0.15) if upper else rng.uniform(0.6, 0.75) if lower else rng.uniform(0.1, 0.5)
    length = rng.uniform(0.25, 0.4)
    fractions = np.linspace(start, min(start + length, 1.0), 7)
    centre, radius = _along(points, radii, fractions)
    angle = rng.uniform(-0.5, 0.5) + (np.pi if shaft != "radius" else 1.5 * np.pi)
    side = np.array([np.cos(angle), np.sin(angle), 0.0])
    surface = centre + side * (radius[:, None] + 1.2)
    slim = float(np.clip(radius.min() / 12, 0.5, 1.1))
    metal = str(rng.choice(["titanium", "steel"]))
    parts = [loft(surface, (5.5 * slim, 1.9 * slim), sections=14)]
    for i in np.sort(rng.choice(7, int(rng.integers(4, 7)), replace=False)):
        tip = centre[i] - side * radius[i] * rng.uniform(0.75, 1.15)
        parts.append(loft([surface[i] + side, tip], (1.7 * slim, 1.7 * slim), sections=3, sides=8))
        parts.append(loft([surface[i] + 2 * side, surface[i]], (3 * slim, 3 * slim), sections=2, sides=8))
    return [(metal, part.transformed(frame)) for part in parts]


def _nail(shaft: str, pose: Pose, patient: Patient, rng: np.random.Generator) -> list[Part]:
    frame, points, radii = _stations(shaft, pose, patient)
    centre, radius = _along(points, radii, np.linspace(-0.08, rng.uniform(0.8, 0.97), 8))
    thick = 0.38 * radii.min()
    parts = [loft(centre, (thick, thick), sections=24)]
    for i in (1, 6, 7):
        axis = np.array([1.0, rng.normal(0, 0.15), 0.0])
        ends = [centre[i] - axis * radius[i] * 1.1, centre[i] + axis * radius[i] * 1.1]
        parts.append(loft(ends, (2.2, 2.2), sections=3, sides=8))
    return [("titanium", part.transformed(frame)) for part in parts]


def _wires(region: str, pose: Pose, rng: np.random.Generator) -> list[Part]:
    prefix = "metacarpal" if region == "hand" else "metatarsal"
    parts = []
    for ray in rng.choice(5, int(rng.integers(1, 3)), replace=False):
        frame = pose.frames[f"{prefix}_{ray}"]
        lean = rng.normal(0, 2.5, (2, 2))
        line = np.array([[lean[0, 0], lean[0, 1], -8.0], [lean[1, 0], lean[1, 1], -rng.uniform(50, 85)]])
        parts.append(("steel", loft(line, (0.8, 0.8), sections=3, sides=8).transformed(frame)))
    return parts


def _spinal_fusion(pose: Pose, patient: Patient, rng: np.random.Generator) -> list[Part]:
    column = [f"L{i}" for i in (5, 4, 3, 2, 1)] + [f"T{i}" for i in range(12, 3, -1)]
    first = int(rng.integers(0, 8))
    levels = column[first : first + int(rng.integers(2, 5))]
    size = patient.size
    parts: list[Part] = []
    for side in (-1.0, 1.0):
        heads = []
        for level in levels:
            frame = pose.frames[level]
            head, tip = (at(frame, np.multiply(p, size)) for p in ((side * 17, 38, 6), (side * 8, -4, 3)))
            parts.append(("titanium", loft([head, tip], (2.8 * size, 2.8 * size), sections=3, sides=8)))
            heads.append(head)
        parts.append(("titanium", loft(heads, (2.8 * size, 2.8 * size), sections=20, sides=8)))
    return parts


_PROSTHESES = {
    "pelvis": (("hip_stem", "femur", "thigh"), ("hip_cup", "hip", "pelvis")),
    "femur": (("hip_stem", "femur", "thigh"),),
    "knee": (("knee_femur", "femur", "thigh"), ("knee_tibia", "tibia", "leg")),
    "shoulder": (("shoulder_stem", "humerus", "upper_arm"),),
    "humerus": (("shoulder_stem", "humerus", "upper_arm"),),
}


@cache
def _prosthesis(piece: str) -> Mesh:
    """One component, in its bone's frame."""
    if piece == "hip_stem":
        stem = tube([(-16, 0, -13), (-34, 1, -36), (-40, 0, -80), (-34, -4, -165)], [6.5, 10, 8, 4.5])
        solid = blend(2, stem, ball((0, 0, 0), 15))
    elif piece == "hip_cup":
        solid = slab(carve(ball((4, 0, 4), 26), ball((2, 0, 2), 21.5)), 0, -3.0, 40.0)
    elif piece == "shoulder_stem":
        solid = blend(
            3,
            slab(ball((0, 2, 0), 23), 0, -4.0, 30.0),
            tube([(-6, 0, -14), (-10, 1, -50), (-10, 1, -130)], [9, 7, 4.5]),
        )
    elif piece == "knee_femur":
        condyles = [ellipsoid((x, 7, -430), (18, 31, 23)) for x in (19, -29)]
        cut = [ellipsoid((x, 9, -423), (21, 30, 22)) for x in (19, -29)]
        room = [ellipsoid((-5, 26, -448), (9, 26, 24)), block((-5, 8, -400), (60, 60, 16))]
        solid = carve(blend(4, *condyles), *cut, *room)
    else:
        solid = blend(2, block((0, 3, -6), (36, 23, 2.5), 2), tube([(0, 2, -8), (0, 2, -48)], [7, 5]))
    mesh = sampled(solid, 2.4).surface()
    assert mesh is not None
    return mesh


def jewellery(region: str, pose: Pose, patient: Patient, rng: np.random.Generator) -> list[Part]:
    """A ring, a bracelet or a chain that the patient did not take off; empty for other regions."""
    size = patient.size
    if region in ("hand", "wrist"):
        if rng.random() < 0.5:
            finger = int(rng.choice([3, 3, 1, 4]))
            frame = pose.frames[f"phalanx_{finger}_0"] @ shift((0, 0, -16 * size))
            return [("steel", _loop((9.5 * size, 9.0 * size), 1.1).transformed(frame))]
        frame = pose.frames["radius"] @ shift(np.multiply((14, 0, -205), size))
        return [("steel", _loop((38 * size, 29 * size), float(rng.uniform(1.2, 3))).transformed(frame))]
    if region in ("shoulder", "cervical_spine", "chest"):
        neck, front = pose.frames["C7"][:3, 3], pose.frames["sternum"][:3, 3]
        angle = np.linspace(0, 2 * np.pi, 17)
        weight = 0.5 - 0.5 * np.cos(angle)[:, None]
        drop = np.array([0, -14, -rng.uniform(10, 50)]) * size
        points = (neck + np.array([0, 45 * size, 0])) * (1 - weight) + (front + drop) * weight
        points[:, 0] += 62 * size * np.sin(angle)
        return [("steel", loft(points, (0.8, 0.8), sections=60, sides=6))]
    return []


def _loop(radii: tuple[float, float], thickness: float) -> Mesh:
    """A closed ring about z."""
    angle = np.linspace(0, 2 * np.pi, 25)
    points = np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle), 0.15 * thickness * angle], -1)
    return loft(points, (thickness, thickness * 1.4), sections=48, sides=8)
