"""The leg: hip joint to toes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raytruth_phantom.bones.foot import METATARSAL_BASES, METATARSAL_HEADS, TOE_LENGTHS, tarsals
from raytruth_phantom.bones.leg import ANKLE_AXIS, KNEE_AXIS, PATELLA_CENTRE, TIBIAL_PLATEAU
from raytruth_phantom.frames import aimed, shift, stretch, turn
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.solids import FloatArray

JOINT_GAP = 1.6  # mm


def pose_leg(patient: Patient, root: FloatArray, angles: Mapping[str, float]) -> Pose:
    """The right leg from the hip joint at `root`, standing straight, then bent by `angles` in degrees.

    Angles: flexion, abduction and rotation (inward) of the hip; knee (flexion); ankle (plantar flexion); toes (curl).
    """

    def angle(name: str) -> float:
        return angles.get(name, 0.0)

    pose = Pose()
    thigh, leg, foot = (patient.scale(s) for s in ("thigh", "leg", "foot"))
    femur = root @ turn(-angle("flexion"), angle("abduction")) @ turn(z=angle("rotation"))
    knee = femur @ shift(np.multiply(KNEE_AXIS, thigh))
    hinge = np.subtract(TIBIAL_PLATEAU, KNEE_AXIS) * thigh
    tibia = knee @ turn(x=angle("knee")) @ shift(hinge) @ turn(y=-1.5)
    patella = knee @ turn(x=0.62 * angle("knee")) @ shift(np.subtract(PATELLA_CENTRE, KNEE_AXIS) * thigh)
    ankle = tibia @ shift(np.multiply(ANKLE_AXIS, leg)) @ turn(x=angle("ankle"))
    pose.frames.update({"femur": femur, "knee": knee, "tibia": tibia, "patella": patella, "ankle": ankle})
    pose.bones.append(("femur", femur @ stretch(thigh)))
    pose.bones.append(("patella", patella @ stretch(thigh)))
    pose.bones.append(("tibia", tibia @ stretch(leg)))
    pose.bones.append(("fibula", tibia @ stretch(leg)))
    sole = foot[[0, 2, 1]]  # the foot's long axis is y
    pose.bones.extend((name, ankle @ stretch(sole)) for name in (*tarsals(), "fifth_metatarsal_styloid"))
    for toe in range(5):
        _toe(pose, toe, ankle, sole, angle("toes"))
    return pose


def _toe(pose: Pose, toe: int, ankle: FloatArray, sole: FloatArray, curl: float) -> None:
    base, head = (np.multiply(p[toe], sole) for p in (METATARSAL_BASES, METATARSAL_HEADS))
    ray = head - base
    great = toe == 0
    # a bone's own y is dorsal, as on a finger
    frame = ankle @ aimed(base, ray, (0.0, 0.0, 1.0))
    slim = sole[0] * (1.55, 0.95, 0.95, 0.95, 1.0)[toe]
    thick = slim * (0.95 if great else 1.0)
    name = "metatarsal_great_toe" if great else "metatarsal"
    pose.bones.append((name, frame @ stretch((slim, thick, float(np.linalg.norm(ray)) / 72))))
    pose.frames[f"metatarsal_{toe}"] = frame

    level = ray * (1, 1, 0.12)  # toes lie flat
    lean = (9.0, 2.0, -1.0, -4.0, -8.0)[toe]
    frame = ankle @ aimed(head + 0.08 * ray / np.linalg.norm(ray), level, (0.0, 0.0, 1.0)) @ turn(y=lean)
    lengths = TOE_LENGTHS[toe]
    for joint, length in enumerate(lengths):
        slim = sole[0] * ((1.75, 1.6) if great else (1.0, 0.95, 0.85))[joint]
        last = joint == len(lengths) - 1
        bone, reference = ("distal_phalanx", 18.0) if last else ("toe_phalanx", 26.0)
        size = length * sole[1]
        pose.bones.append((bone, frame @ stretch((slim * (1.15 if last else 1.0), slim, size / reference))))
        pose.frames[f"toe_{toe}_{joint}"] = frame
        bend = curl if joint == 0 else 0.6 * curl
        frame = frame @ shift((0, 0, -size - JOINT_GAP)) @ turn(x=-bend)
    pose.frames[f"toe_tip_{toe}"] = frame
