"""Bones turned into meshes: an outer surface, a marrow surface inside it, in one piece (adult) or several (child)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import minimum_filter

from raytruth_phantom.bones.bone import Bone, GrowthPlate
from raytruth_phantom.meshes import Field, Mesh
from raytruth_phantom.solids import FloatArray

PLATE_GAP = 2.6  # mm of cartilage between shaft and epiphysis, in an adult's size


@dataclass(frozen=True)
class Piece:
    """One ossified piece: the shaft, or the epiphysis beyond `plate`."""

    outer: Mesh
    marrow: Mesh | None
    plate: GrowthPlate | None
    centre: FloatArray  # (3,) mm: where the piece grows from


def _cortex(bone: Bone, field: Field) -> float | FloatArray:
    """Thickness of the compact shell at the field's grid points, mm: thin at the ends, thick at mid-length."""
    end, middle = bone.cortex
    if bone.axis is None or end == middle:
        return end
    low, high = bone.solid.low[bone.axis], bone.solid.high[bone.axis]
    along = np.abs(2 * (field.axes()[bone.axis] - low) / (high - low) - 1)  # 0 at mid-length, 1 at the ends
    return np.asarray(end + (middle - end) * np.clip((1 - along) / 0.6, 0, 1) ** 0.8, np.float32)


def _marrow(field: Field, thickness: float | FloatArray, thinning: float) -> Mesh | None:
    """The surface of the marrow; where a plate gets too thin for the grid, its shell thickens until it is compact."""
    deepest = minimum_filter(field.values, 3)
    shell = np.asarray(thickness) * thinning + 0.8 * np.maximum(0.95 * field.step + deepest, 0)
    return Field((field.values + shell).astype(np.float32), field.low, field.step).surface()


def pieces(bone: Bone, field: Field, *, open_plates: bool, thinning: float) -> list[Piece]:
    """Surfaces of `bone`: one piece, or with `open_plates` its shaft first and then each epiphysis.

    `field`: the bone's solid, sampled. `thinning` (0..1] scales the cortical thickness (osteopenia).
    """
    cortex = _cortex(bone, field)
    if not open_plates or not bone.plates:
        return [_piece(field, cortex, thinning, None)]
    x, y, z = field.axes()
    beyond = [
        (x - p.point[0]) * p.normal[0] + (y - p.point[1]) * p.normal[1] + (z - p.point[2]) * p.normal[2]
        for p in bone.plates
    ]
    shaft = field.values
    for distance in beyond:
        shaft = np.maximum(shaft, distance + PLATE_GAP / 2)
    found = [_piece(Field(shaft, field.low, field.step), cortex, thinning, None)]
    for plate, distance in zip(bone.plates, beyond, strict=True):
        cap = Field(np.maximum(field.values, PLATE_GAP / 2 - distance), field.low, field.step)
        found.append(_piece(cap, np.minimum(cortex, bone.cortex[0]), thinning, plate))
    return found


def _piece(field: Field, cortex: float | FloatArray, thinning: float, plate: GrowthPlate | None) -> Piece:
    outer = field.surface()
    if outer is None:
        raise ValueError(
            "a bone without an inside: its sampling step is too coarse or its growth plate lies outside it"
        )
    return Piece(outer, _marrow(field, cortex, thinning), plate, outer.vertices.mean(0).astype(float))
