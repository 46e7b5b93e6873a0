"""The bones by name, and their shapes for each patient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from raytruth_phantom.bones import arm, foot, hand, leg, pelvis, skull, spine, thorax
from raytruth_phantom.bones.bone import Bone, GrowthPlate
from raytruth_phantom.meshes import Field, Mesh, loft, sampled
from raytruth_phantom.patients import Patient, generator
from raytruth_phantom.solids import FloatArray
from raytruth_phantom.templates import Piece, pieces

_BONES: dict[str, Callable[[], Bone]] = {
    "humerus": arm.humerus,
    "ulna": arm.ulna,
    "radius": arm.radius,
    "metacarpal": hand.metacarpal,
    "metacarpal_thumb": lambda: hand.metacarpal(thumb=True),
    "proximal_phalanx": hand.proximal_phalanx,
    "middle_phalanx": hand.middle_phalanx,
    "distal_phalanx": hand.distal_phalanx,
    **{name: (lambda n=name: hand.carpals()[n]) for name in hand.carpals()},  # type: ignore[misc]
    "femur": leg.femur,
    "patella": leg.patella,
    "tibia": leg.tibia,
    "fibula": leg.fibula,
    **{name: (lambda n=name: foot.tarsals()[n]) for name in foot.tarsals()},  # type: ignore[misc]
    "fifth_metatarsal_styloid": foot.fifth_metatarsal_styloid,
    "metatarsal": foot.metatarsal,
    "metatarsal_great_toe": lambda: foot.metatarsal(great_toe=True),
    "toe_phalanx": foot.toe_phalanx,
    "hip_bone": pelvis.hip_bone,
    "sacrum": pelvis.sacrum,
    "lumbar": spine.lumbar,
    "thoracic": spine.thoracic,
    "cervical": spine.cervical,
    "axis": spine.axis,
    "atlas": spine.atlas,
    "clavicle": thorax.clavicle,
    "scapula": thorax.scapula,
    "sternum": thorax.sternum,
    "vault": skull.vault,
    "cranial_base": skull.cranial_base,
    "mandible": skull.mandible,
    "tooth": skull.tooth,
}
_RIB_HALF_WIDTHS, _RIB_CORTEX = (3.6, 6.6), 0.9  # mm
_VARIATION = 6.0  # mm: no patient's bone differs more from its template

BONE_NAMES = (*_BONES, *(f"rib_{level}" for level in range(1, 13)))


class BoneMesh(NamedTuple):
    """A surface, and whether it bounds the marrow or the whole bone.

    The braincase's inner surface bounds soft tissue, not marrow: it is an outer surface turned inside out.
    """

    mesh: Mesh
    marrow: bool


@cache
def bone_box(name: str) -> FloatArray:
    """Corners (8, 3) in mm of a box around the bone of any patient, in its template's coordinates."""
    if name in _BONES:
        low, high = _BONES[name]().solid.low, _BONES[name]().solid.high
    else:
        curve = thorax.rib_curve(_rib_level(name))
        low, high = curve.min(0) - _RIB_HALF_WIDTHS[1], curve.max(0) + _RIB_HALF_WIDTHS[1]
    sides = zip(low - _VARIATION, high + _VARIATION, strict=True)
    return np.stack(np.meshgrid(*sides), -1).reshape(8, 3)


@lru_cache(maxsize=1024)
def bone_meshes(name: str, patient: Patient) -> tuple[BoneMesh, ...]:
    """The bone's surfaces for this patient, in its template's coordinates.

    Ossification follows the patient's age: centres that have not appeared are left out, growing centres are smaller.
    """
    ossifies = _BONES[name]().ossifies if name in _BONES else None
    found = []
    for piece in _template(name, patient.growing, round(5 * patient.thinning) / 5):
        growth = _ossified(patient.age, piece.plate, ossifies)
        if growth <= 0:
            continue
        for mesh, marrow in ((piece.outer, False), (piece.marrow, True)):
            if mesh is not None:
                grown = piece.centre + (mesh.vertices - piece.centre) * growth if growth < 1 else mesh.vertices
                own = Mesh(_varied(np.asarray(grown, np.float32), name, patient), mesh.faces)
                inside_out = name == "vault" and marrow
                found.append(
                    BoneMesh(Mesh(own.vertices, own.faces[:, ::-1]) if inside_out else own, marrow and not inside_out)
                )
    return tuple(found)


@lru_cache(maxsize=512)
def _template(name: str, open_plates: bool, thinning: float) -> tuple[Piece, ...]:
    if name in _BONES:
        return tuple(pieces(_BONES[name](), _field(name), open_plates=open_plates, thinning=thinning))
    curve, level = thorax.rib_curve(_rib_level(name)), _rib_level(name)
    taper = np.linspace(1.0, 0.85, len(curve))[:, None] * (0.8 if level in (1, 11, 12) else 1.0)
    size = np.array(_RIB_HALF_WIDTHS) * taper
    return (Piece(loft(curve, size), loft(curve, size - _RIB_CORTEX * thinning), None, curve.mean(0)),)


@cache
def _field(name: str) -> Field:
    """The bone's distances, cached: the surfaces for every degree of osteopenia come from them."""
    return sampled(_BONES[name]().solid, _BONES[name]().step)


def _rib_level(name: str) -> int:
    return int(name.removeprefix("rib_"))


def _ossified(age: float, plate: GrowthPlate | None, ossifies: tuple[float, float] | None) -> float:
    """Linear size of an ossification centre relative to the finished piece, 0 before it appears."""
    if plate is not None:
        start, end = plate.appears, plate.closes - 3
    elif ossifies is not None:
        start, end = ossifies
    else:
        return 1.0
    return 0.0 if age < start else float(0.4 + 0.6 * min(1.0, (age - start) / (end - start)) ** 0.6)


def _varied(vertices: FloatArray, name: str, patient: Patient) -> FloatArray:
    """Bend the surface by a few smooth waves: no two people have the same bones."""
    rng = generator("shape", patient.key, name)
    extent = np.ptp(bone_box(name), axis=0)
    waves = rng.normal(size=(3, 3)) * 2.5 / np.maximum(extent[:, None], 8.0)  # a wave or less along each axis
    push = np.clip(rng.normal(size=(3, 3)) * np.clip(0.022 * extent.min(), 0.15, 1.0), -_VARIATION / 3, _VARIATION / 3)
    phase = rng.uniform(0, 2 * np.pi, 3)
    angles = np.einsum("nj,jk->nk", vertices, waves.astype(np.float32)) + phase.astype(np.float32)  # (V, 3)
    return vertices + np.einsum("nk,kj->nj", np.sin(angles), push.astype(np.float32))
