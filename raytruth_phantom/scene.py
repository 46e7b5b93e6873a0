"""Everything in the beam: one patient's posed bones and the tissue around them, as millimetres of each material."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from raytruth_phantom import soft_tissue
from raytruth_phantom.attenuation import TRABECULAR_FRACTION
from raytruth_phantom.catalogue import bone_box, bone_meshes
from raytruth_phantom.meshes import Field, Mesh, union_field, union_on
from raytruth_phantom.patients import Patient
from raytruth_phantom.posing.arm import pose_arm
from raytruth_phantom.posing.leg import pose_leg
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.posing.trunk import pose_trunk
from raytruth_phantom.projection import Beam, Float32, path_lengths
from raytruth_phantom.solids import FloatArray, Solid, mirrored

_BLEND = {"arm": 7.0, "leg": 10.0, "shoulder": 26.0, "trunk": 30.0}  # mm over which skin folds are filled
_FAT = {"limb": 4.5, "trunk": 11.0}  # mm under a slim adult's skin
_COARSE, _COARSE_TRUNK = 2, 3  # soft tissue is smooth: drawn on pixels this many times larger
_ENDOSTEUM = 0.6  # mm
_UPPER_LEG = ("femur", "patella", "tibia", "fibula")
_GRID = 32_000  # points of the soft tissue's distance field


@dataclass(frozen=True)
class Scene:
    """Everything in the beam: a posed patient's bones, the solids of skin, lungs and heart, and things put on or in.

    `extras` (material, mesh) replace the tissue they lie in; `cast` are the solids a plaster of `cast_thickness` mm
    surrounds.
    """

    patient: Patient
    pose: Pose
    skin: list[Solid]
    blending: float
    fat: float
    lungs: list[Solid] = field(default_factory=list)
    heart: list[Solid] = field(default_factory=list)
    extras: list[tuple[str, Mesh]] = field(default_factory=list)
    cast: list[Solid] = field(default_factory=list)
    cast_thickness: float = 0.0


def build_scene(patient: Patient, limb: str, angles: Mapping[str, float]) -> Scene:
    """Pose `patient`'s `limb` (arm, leg, shoulder or trunk) by `angles` in degrees and add soft tissue.

    shoulder is the trunk with the examined arm; trunk is the trunk with both upper arms and both legs; their
    joints take the angles with the prefixes `arm_` and, on the examined side, `hip_`.
    """
    if limb in ("arm", "leg"):
        pose = (pose_arm if limb == "arm" else pose_leg)(patient, np.eye(4), angles)
        skin = (soft_tissue.arm_envelope if limb == "arm" else soft_tissue.leg_envelope)(pose, patient)
        return Scene(patient, pose, skin, _BLEND[limb] * patient.size, soft_tissue.fat_thickness(patient, _FAT["limb"]))
    trunk = pose_trunk(patient, angles)
    skin = soft_tissue.trunk_envelope(trunk, patient)
    if limb == "shoulder":
        arm = pose_arm(patient, trunk.frames["shoulder"], angles)
        skin += soft_tissue.arm_envelope(arm, patient)
        whole = trunk.joined(arm)
    else:
        whole, more = _with_limbs(trunk, patient, angles)
        skin += more
    return Scene(
        patient,
        whole,
        skin,
        _BLEND[limb] * patient.size,
        soft_tissue.fat_thickness(patient, _FAT["trunk"]),
        soft_tissue.lungs(trunk, patient),
        soft_tissue.heart(trunk, patient),
        [("air", soft_tissue.airway(trunk, patient))],
    )


def _with_limbs(trunk: Pose, patient: Patient, angles: Mapping[str, float]) -> tuple[Pose, list[Solid]]:
    """The trunk with upper arms and legs, and the limbs' skin."""

    def picked(prefix: str) -> dict[str, float]:
        return {name.removeprefix(prefix): value for name, value in angles.items() if name.startswith(prefix)}

    hanging = {"abduction": 9.0} | picked("arm_")
    arm = pose_arm(patient, trunk.frames["shoulder"], hanging)
    examined = pose_leg(patient, trunk.frames["hip"], picked("hip_"))
    other = pose_leg(patient, trunk.frames["hip"], {"rotation": 8.0, "abduction": 3.0})
    # no trunk image shows forearms or feet
    upper_arm, right, left = arm.only("humerus"), examined.only(*_UPPER_LEG), other.only(*_UPPER_LEG)
    whole = trunk.joined(upper_arm).joined(upper_arm.mirrored("left_")).joined(left.mirrored("left_")).joined(right)
    arm_skin, leg_skin = soft_tissue.upper_arm_envelope(arm, patient), soft_tissue.upper_leg_envelope(examined, patient)
    other_side = [mirrored(solid) for solid in arm_skin + soft_tissue.upper_leg_envelope(other, patient)]
    return whole, arm_skin + leg_skin + other_side


def materials(scene: Scene, beam: Beam, texture: Float32) -> dict[str, Float32]:
    """Millimetres of each material along every ray, each (rows, columns).

    `texture` (rows, columns): relative density of the trabeculae, about 1.
    """
    bone, marrow = _bones(scene, beam)
    low, high = _view_box(beam)
    layers = _soft_layers(scene, beam, low, high)
    muscle, fat = layers["muscle"], np.maximum(layers["skin"] - layers["muscle"], 0)
    mineral = np.clip(TRABECULAR_FRACTION * scene.patient.mineral * texture, 0.02, 0.9) * marrow
    lengths = {
        "cortical": np.maximum(bone - marrow, 0) + mineral,
        "fat": fat + marrow - mineral,
        "lung": layers["lung"],
        "muscle": np.maximum(muscle - bone - layers["lung"], 0),
        "plaster": layers["plaster"],
    }
    names = sorted({material for material, _ in scene.extras})
    if names:
        drawn = path_lengths(
            [mesh for _, mesh in scene.extras], [names.index(n) for n, _ in scene.extras], beam, len(names)
        )
        for name, path in zip(names, np.maximum(drawn, 0), strict=True):
            lengths[name] = lengths.get(name, 0) + path
            lengths["muscle"] = np.maximum(lengths["muscle"] - path, 0)
    return lengths


def _bones(scene: Scene, beam: Beam) -> tuple[Float32, Float32]:
    """Path inside bones' outer surfaces and inside their marrow."""
    bones = scene.pose.bones
    affines = np.stack([affine for _, affine in bones])
    boxes = np.stack([bone_box(name) for name, _ in bones])
    corners = np.einsum("bij,bkj->bki", affines[:, :3, :3], boxes) + affines[:, None, :3, 3]
    pixels = beam.to_pixels(corners.reshape(-1, 3))[:2].reshape(2, -1, 8)
    size = np.array(beam.shape[::-1])[:, None]
    seen = ((pixels.max(2) >= 0) & (pixels.min(2) <= size)).all(0)
    drawn = [(part, bones[i][1]) for i in np.flatnonzero(seen) for part in bone_meshes(bones[i][0], scene.patient)]
    lengths = path_lengths([part.mesh.transformed(a) for part, a in drawn], [int(p.marrow) for p, _ in drawn], beam, 2)
    bone = np.maximum(lengths[0], 0)
    # there is no sharp border between compact and cancellous bone
    pixel = beam.pitch * beam.source_to_origin / beam.source_to_detector
    return bone, np.clip(gaussian_filter(lengths[1], _ENDOSTEUM / pixel, truncate=2.0), 0, bone)


def _view_box(beam: Beam) -> tuple[FloatArray, FloatArray]:
    """A box (3,), (3,) in mm around the part of space the detector sees, 600 mm deep."""
    rows, columns = beam.shape
    corners = []
    for depth in (-300.0, 300.0):
        scale = (beam.source_to_origin + depth) / beam.source_to_detector * beam.pitch
        for row in (-8, rows + 8):
            for column in (-8, columns + 8):
                local = np.array([(column - beam.centre[1]) * scale, (row - beam.centre[0]) * scale, depth])
                corners.append(beam.origin + local @ beam.axes)
    return np.min(corners, 0), np.max(corners, 0)


def _soft_layers(scene: Scene, beam: Beam, low: FloatArray, high: FloatArray) -> dict[str, Float32]:
    reach = scene.cast_thickness + 8.0
    skin = union_field(scene.skin, low, high, _GRID, scene.blending, reach)
    surfaces = [("skin", skin.surface()), ("muscle", skin.surface(-scene.fat))]
    if scene.lungs and _overlaps(scene.lungs, low, high):
        surfaces.append(("lung", _lung_surface(scene, low, high)))
    if scene.cast:
        cast = union_on(skin, scene.cast, scene.blending, reach)
        limb = replace(skin, values=np.maximum(skin.values, cast.values - scene.cast_thickness))
        surfaces += [("plaster", cast.surface(scene.cast_thickness)), ("limb", limb.surface())]
    names = ["skin", "muscle", "lung", "plaster", "limb"]
    present = [(name, mesh) for name, mesh in surfaces if mesh is not None]
    factor = _COARSE_TRUNK if scene.lungs else _COARSE
    coarse = beam.coarser(factor)
    drawn = path_lengths([m for _, m in present], [names.index(n) for n, _ in present], coarse, len(names))
    # a cast is its outer surface minus the limb: a separate shell would be too thin for the grid
    drawn[names.index("plaster")] -= drawn[names.index("limb")]
    return {name: _finer(np.maximum(layer, 0), beam.shape, factor) for name, layer in zip(names, drawn, strict=True)}


def _finer(layer: Float32, shape: tuple[int, int], factor: int) -> Float32:
    if not layer.any():
        return np.zeros(shape, np.float32)
    size = (layer.shape[1] * factor, layer.shape[0] * factor)
    fine = Image.fromarray(layer).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(fine, np.float32)[: shape[0], : shape[1]]


def _overlaps(solids: list[Solid], low: FloatArray, high: FloatArray) -> bool:
    return any((s.high > low).all() and (s.low < high).all() for s in solids)


def _lung_surface(scene: Scene, low: FloatArray, high: FloatArray) -> Mesh | None:
    air = union_field(scene.lungs, low, high, _GRID, 0.0, 8.0)
    values = air.values
    for part in scene.heart:
        values = np.maximum(values, -part.distance(*air.axes()))
    return Field(values, air.low, air.step).surface()
