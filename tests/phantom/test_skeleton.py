"""Bones: closed, hollow, growing with age, thinning with it, and one patient's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raytruth_phantom.catalogue import BONE_NAMES, bone_meshes
from raytruth_phantom.patients import SEGMENTS, Patient, draw_patient
from raytruth_phantom.posing.arm import pose_arm
from raytruth_phantom.posing.leg import pose_leg
from raytruth_phantom.posing.trunk import pose_trunk


@pytest.fixture(scope="module")
def adult() -> Patient:
    return Patient(
        key="adult",
        age=40.0,
        sex="M",
        size=1.0,
        build=1.2,
        thinning=1.0,
        mineral=1.0,
        scoliosis=0.0,
        widths=(1.0,) * len(SEGMENTS),
        lengths=(1.0,) * len(SEGMENTS),
    )


def volumes(name: str, patient: Patient) -> tuple[float, float]:
    """Volume inside the bone's outer surfaces and inside its marrow, mm³."""
    parts = bone_meshes(name, patient)
    return (
        sum(p.mesh.volume() for p in parts if not p.marrow),
        sum(p.mesh.volume() for p in parts if p.marrow),
    )


@pytest.mark.parametrize("name", BONE_NAMES)
def test_every_bone_is_closed_and_has_marrow_within_its_shell(name: str, adult: Patient) -> None:
    bone, marrow = volumes(name, adult)
    assert bone > 100
    assert 0 <= marrow < bone


@pytest.mark.parametrize("name", ["femur", "radius", "metacarpal", "tibia"])
def test_long_bones_are_hollow_and_osteopenia_thins_their_shell(name: str, adult: Patient) -> None:
    bone, marrow = volumes(name, adult)
    _, thinned = volumes(name, replace(adult, thinning=0.5))
    assert 0.2 * bone < marrow < thinned < bone


def test_growth_plates_part_a_child_s_bone_and_close_with_age(adult: Patient) -> None:
    pieces = {age: sum(not p.marrow for p in bone_meshes("tibia", replace(adult, age=age))) for age in (2.0, 8.0, 30.0)}
    assert pieces == {2.0: 3, 8.0: 3, 30.0: 1}
    epiphysis = [volumes("metacarpal", replace(adult, age=age))[0] for age in (1.0, 3.0, 12.0)]
    assert epiphysis == sorted(epiphysis)


def test_carpals_ossify_one_after_the_other(adult: Patient) -> None:
    def present(age: float) -> set[str]:
        names = ("capitate", "hamate", "triquetrum", "lunate", "scaphoid", "trapezium", "trapezoid", "pisiform")
        return {n for n in names if bone_meshes(n, replace(adult, age=age))}

    assert present(1.0) == {"capitate", "hamate"}
    assert present(1.0) < present(4.5) < present(7.0) < present(12.0)


def test_a_patient_is_the_same_every_time_and_unlike_another() -> None:
    assert draw_patient("a") == draw_patient("a")
    assert draw_patient("a") != draw_patient("b")
    first, again = (bone_meshes("femur", draw_patient("a"))[0].mesh.vertices for _ in range(2))
    assert np.array_equal(first, again)


def test_patients_cover_children_adults_and_the_old() -> None:
    patients = [draw_patient(str(i)) for i in range(300)]
    ages = np.array([p.age for p in patients])
    assert (ages < 17).mean() == pytest.approx(0.16, abs=0.06)
    assert (ages > 65).mean() == pytest.approx(0.26, abs=0.08)
    assert min(p.size for p in patients) < 0.6
    assert min(p.thinning for p in patients if p.age > 75) < 0.8
    assert all(p.thinning == 1 for p in patients if p.age < 50)


def test_joints_move_and_bones_keep_their_lengths(adult: Patient) -> None:
    straight, bent = (pose_leg(adult, np.eye(4), {"knee": angle}) for angle in (0.0, 90.0))
    ankles = [np.linalg.norm(p.frames["ankle"][:3, 3] - p.frames["knee"][:3, 3]) for p in (straight, bent)]
    assert ankles[0] == pytest.approx(ankles[1])
    # the foot goes back (y) and up when the knee bends
    moved = bent.frames["ankle"][:3, 3] - straight.frames["ankle"][:3, 3]
    assert moved[1] > 200
    assert moved[2] > 200


def test_pronation_carries_the_thumb_across_the_front(adult: Patient) -> None:
    def thumb(angle: float) -> np.ndarray:
        return pose_arm(adult, np.eye(4), {"pronation": angle}).frames["metacarpal_0"][:3, 3]

    supine, half, prone = thumb(0), thumb(90), thumb(170)
    assert supine[0] < half[0] < prone[0]  # from lateral to medial
    assert half[1] < supine[1]  # in front of the forearm


def test_the_trunk_is_symmetric_and_upright(adult: Patient) -> None:
    frames = pose_trunk(adult, {}).frames
    assert np.allclose(frames["shoulder"][:3, 3] * (-1, 1, 1), frames["left_shoulder"][:3, 3])
    heights = [frames[level][2, 3] for level in ("L5", "L1", "T12", "T6", "T1", "C7", "C2")]
    assert heights == sorted(heights)
    assert 560 < frames["C7"][2, 3] < 650  # hip joints to the nape, mm
