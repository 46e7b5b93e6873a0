"""The trunk: pelvis, spine, rib cage, shoulder girdle, skull."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raytruth_phantom.bones.pelvis import HIP_CENTRE, PROMONTORY
from raytruth_phantom.bones.skull import DENTAL_ARCH, OCCLUSION
from raytruth_phantom.bones.thorax import RIB_DEPTHS
from raytruth_phantom.frames import MIRROR, at, reaching, shift, stretch, turn
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.solids import FloatArray

# vertebra, half width and height of its body in mm, disc below it in mm, forward lean in degrees (standing adult)
LEVELS: tuple[tuple[str, float, float, float, float], ...] = (
    ("L5", 26.0, 28.0, 10.0, 22),
    ("L4", 25.5, 28.0, 11.5, 12),
    ("L3", 24.5, 28.0, 11.0, 3),
    ("L2", 23.5, 27.5, 10.5, -5),
    ("L1", 22.5, 27.0, 9.5, -11),
    ("T12", 21.5, 26.0, 8.0, -14),
    ("T11", 20.0, 25.0, 6.5, -14),
    ("T10", 18.5, 24.0, 6.0, -12),
    ("T9", 17.5, 23.0, 5.5, -9),
    ("T8", 16.7, 22.0, 5.0, -5),
    ("T7", 16.0, 21.5, 5.0, -1),
    ("T6", 15.5, 21.0, 4.5, 4),
    ("T5", 15.0, 20.5, 4.5, 9),
    ("T4", 15.0, 20.0, 4.0, 13),
    ("T3", 15.0, 19.5, 4.0, 17),
    ("T2", 15.8, 19.0, 4.0, 21),
    ("T1", 17.0, 18.0, 4.5, 23),
    ("C7", 13.0, 15.0, 5.5, 21),
    ("C6", 11.8, 13.8, 6.0, 16),
    ("C5", 11.2, 13.4, 6.0, 10),
    ("C4", 10.8, 13.4, 5.5, 5),
    ("C3", 10.5, 13.6, 5.5, 1),
    ("C2", 9.5, 17.0, 5.0, 0),
)
_TEMPLATES = {"L": ("lumbar", 24.0, 28.0), "T": ("thoracic", 16.0, 21.0), "C": ("cervical", 11.0, 13.2)}


def pose_trunk(patient: Patient, angles: Mapping[str, float]) -> Pose:
    """The trunk standing on the midpoint of the hips, facing -y.

    Angles in degrees: lumbar, neck (forward bend of the lumbar and cervical spine, negative is extension), side (bend
    of the spine to the left), nod and turn of the head, jaw (opening), shrug (mm the shoulders are raised).
    """
    pose = Pose()
    pelvis = patient.scale("pelvis") * ((1.05, 1.0, 0.95) if patient.sex == "F" and patient.age > 13 else (1, 1, 1))
    hip = shift(np.multiply(HIP_CENTRE, pelvis))
    pose.frames.update({"hip": hip, "left_hip": MIRROR @ hip @ MIRROR, "pelvis": np.eye(4)})
    pose.bones.extend(
        [
            ("hip_bone", hip @ stretch(pelvis)),
            ("hip_bone", MIRROR @ hip @ stretch(pelvis)),
            ("sacrum", stretch(pelvis)),
        ]
    )
    _spine(pose, patient, angles, np.multiply(PROMONTORY, pelvis))
    _rib_cage(pose, patient, angles.get("shrug", 0.0))
    _head(pose, patient, angles)
    return pose


def _spine(pose: Pose, patient: Patient, angles: Mapping[str, float], start: FloatArray) -> None:
    scale = patient.scale("spine")
    point = np.asarray(start, float)
    for index, (name, half_width, height, disc, lean) in enumerate(LEVELS):
        share = index / (len(LEVELS) - 1)
        bend = angles.get("lumbar", 0.0) * min(1, (index + 1) / 5) + angles.get("neck", 0.0) * max(0, (index - 16) / 6)
        curve = patient.scoliosis * np.sin(2 * np.pi * (share * 1.15 + 0.05)) + angles.get("side", 0.0) * (share - 0.2)
        frame = turn(lean + bend, curve, 1.2 * patient.scoliosis * np.sin(2 * np.pi * share * 1.15))
        up = frame[:3, :3] @ np.array([0.0, 0.0, 1.0])
        # the lean is that of the body's axis; half the disc lies on each side of the change of direction
        middle = point + up * (disc + height / 2) * scale[2]
        point = point + up * (disc + height) * scale[2]
        frame = shift(middle) @ frame
        template, reference_width, reference_height = _TEMPLATES[name[0]]
        if name == "C2":
            template, reference_width, reference_height = "axis", 9.5, 17.0
        wide = half_width / reference_width
        pose.frames[name] = frame
        pose.bones.append((template, frame @ stretch(scale * (wide, wide, height / reference_height))))
        if name == "C2":
            pose.bones.append(("atlas", frame @ shift((0, 0, 2)) @ stretch(scale)))


def _rib_cage(pose: Pose, patient: Patient, shrug: float) -> None:
    scale = patient.scale("thorax")
    for level in range(1, 13):
        frame = shift(pose.frames[f"T{level}"][:3, 3])  # ribs hang the same way for any lean of their vertebra
        pose.bones.append((f"rib_{level}", frame @ stretch(scale)))
        pose.bones.append((f"rib_{level}", frame @ MIRROR @ stretch(scale)))
    second = pose.frames["T2"][:3, 3]
    notch = second + np.multiply((0, 40 - RIB_DEPTHS[1] + 2, -28), scale)
    pose.frames["sternum"] = shift(notch)
    pose.bones.append(("sternum", shift(notch) @ turn(x=-14) @ stretch(scale)))
    for side, mirror in (("", np.eye(4)), ("left_", MIRROR)):
        centre = pose.frames["T3"][:3, 3] * (0, 1, 1) + np.multiply((-158, -4, 8), scale) + (0, 0, shrug)
        scapula = shift(centre) @ turn(x=8, y=4, z=32)
        acromion = at(scapula, np.multiply((-14, 4, 37), scale))
        sternal = at(shift(notch), np.multiply((-20, 2, -4), scale))
        reach = acromion - sternal
        clavicle = reaching(sternal, reach, (0, 1, 0))
        size = float(np.linalg.norm(reach)) / 138
        pose.bones.append(("scapula", mirror @ scapula @ stretch(scale)))
        pose.bones.append(("clavicle", mirror @ clavicle @ stretch((size, float(scale[1]), float(scale[2])))))
        pose.frames[side + "scapula"] = mirror @ scapula
        pose.frames[side + "shoulder"] = mirror @ shift(at(scapula, np.multiply((-25, 0, 0), scale)))


def _head(pose: Pose, patient: Patient, angles: Mapping[str, float]) -> None:
    scale = patient.scale("head")
    seat = at(pose.frames["C2"], patient.scale("spine") * (0, 9, 32))
    head = shift(seat) @ turn(angles.get("nod", 0.0), 0, angles.get("turn", 0.0))
    pose.frames["head"] = head
    pose.bones.append(("vault", head @ stretch(scale)))
    pose.bones.append(("cranial_base", head @ stretch(scale)))
    jaw = head @ shift(scale * (0, -4, 0)) @ turn(x=-angles.get("jaw", 0.0)) @ shift(-scale * (0, -4, 0))
    pose.bones.append(("mandible", jaw @ stretch(scale)))
    pose.frames["jaw"] = jaw
    if patient.age > 1.5:
        upper, lower = shift((0, 0, OCCLUSION + 4)), shift((0, 2, OCCLUSION - 5)) @ stretch((1, 1, -1))
        for x, y, z in DENTAL_ARCH:
            pose.bones.append(("tooth", head @ stretch(scale) @ shift((x, y, z)) @ upper))
            pose.bones.append(("tooth", jaw @ stretch(scale) @ shift((x, y, z)) @ lower))
