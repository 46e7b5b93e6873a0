"""The arm: shoulder joint to fingertips."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raytruth_phantom.bones.arm import RADIAL_HEAD, RADIAL_LENGTH, TROCHLEA, ULNAR_HEAD
from raytruth_phantom.bones.hand import (
    METACARPAL_BASES,
    METACARPAL_DIRECTIONS,
    METACARPAL_LENGTHS,
    PHALANX_LENGTHS,
    carpals,
)
from raytruth_phantom.frames import shift, stretch, turn, turn_about
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.solids import FloatArray

JOINT_GAP = 1.6  # mm between phalanges: two layers of cartilage
FINGERS = ("thumb", "index", "middle", "ring", "little")


def pose_arm(patient: Patient, root: FloatArray, angles: Mapping[str, float]) -> Pose:
    """The right arm from the shoulder joint at `root`, hanging, palm forward, then bent by `angles` in degrees.

    Angles: abduction, flexion and rotation (inward) of the shoulder; elbow (flexion); pronation; wrist (palmar
    flexion); deviation (to the little finger); spread, curl and thumb (abduction) of the fingers, and curl_<finger>
    for one finger.
    """

    def angle(name: str) -> float:
        return angles.get(name, 0.0)

    pose = Pose()
    upper, fore, hand = (patient.scale(s) for s in ("upper_arm", "forearm", "hand"))
    humerus = root @ turn(-angle("flexion"), angle("abduction")) @ turn(z=angle("rotation"))
    elbow = humerus @ shift(np.multiply(TROCHLEA, upper)) @ turn(-angle("elbow"), 7.0)
    axis = np.multiply(np.subtract(RADIAL_HEAD, ULNAR_HEAD), fore)
    radius = elbow @ shift(np.multiply(RADIAL_HEAD, fore)) @ turn_about(axis, angle("pronation"))
    wrist = (
        radius @ shift(np.multiply((1.0, 0.0, -RADIAL_LENGTH - 1.0), fore)) @ turn(-angle("wrist"), -angle("deviation"))
    )
    pose.frames.update({"humerus": humerus, "elbow": elbow, "radius": radius, "wrist": wrist})
    pose.bones.append(("humerus", humerus @ stretch(upper)))
    pose.bones.append(("ulna", elbow @ stretch(fore)))
    pose.bones.append(("radius", radius @ stretch(fore)))
    pose.bones.extend((name, wrist @ stretch(hand)) for name in carpals())
    for finger, name in enumerate(FINGERS):
        _finger(pose, finger, name, wrist, hand, angles)
    return pose


def _finger(
    pose: Pose, finger: int, name: str, wrist: FloatArray, hand: FloatArray, angles: Mapping[str, float]
) -> None:
    lean, palmar = METACARPAL_DIRECTIONS[finger]
    thumb = finger == 0
    opening = angles.get("thumb", 0.0) if thumb else 0.0
    frame = wrist @ shift(np.multiply(METACARPAL_BASES[finger], hand)) @ turn(-palmar, opening - lean)
    if thumb:
        frame = frame @ turn(z=55.0)  # the thumb's nail looks sideways
    length = METACARPAL_LENGTHS[finger]
    slim = (1.02, 1.08, 1.05, 0.95, 0.92)[finger]
    pose.bones.append(("metacarpal_thumb" if thumb else "metacarpal", frame @ _sized(hand, slim, length / 64)))
    pose.frames[f"metacarpal_{finger}"] = frame
    curl = angles.get(f"curl_{name}", angles.get("curl", 0.0) * (0.3 if thumb else 1.0))
    spread = 0.0 if thumb else (finger - 2) * angles.get("spread", 0.0)
    frame = (
        frame @ shift((0, 0, -length * hand[2] - JOINT_GAP)) @ turn(-curl * 0.8, -spread - (0 if thumb else lean * 0.6))
    )
    bones = (
        ("proximal_phalanx", "distal_phalanx") if thumb else ("proximal_phalanx", "middle_phalanx", "distal_phalanx")
    )
    reference = {"proximal_phalanx": 42.0, "middle_phalanx": 26.0, "distal_phalanx": 18.0}
    for joint, (bone, size) in enumerate(zip(bones, PHALANX_LENGTHS[finger], strict=True)):
        slim = (1.08, 1.0, 1.03, 0.97, 0.85)[finger] * (1.25 if thumb and bone == "distal_phalanx" else 1.0)
        pose.bones.append((bone, frame @ _sized(hand, slim, size / reference[bone])))
        pose.frames[f"phalanx_{finger}_{joint}"] = frame
        frame = frame @ shift((0, 0, -size * hand[2] - JOINT_GAP)) @ turn(-curl * (1.1 if joint == 0 else 0.7))
    pose.frames[f"tip_{finger}"] = frame


def _sized(hand: FloatArray, slim: float, length: float) -> FloatArray:
    return stretch(hand * np.array([slim, slim, length]))
