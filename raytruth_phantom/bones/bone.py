"""The parts of a bone: a shape, a cortical shell, growth plates and the ages at which it ossifies."""

from __future__ import annotations

from dataclasses import dataclass

from raytruth_phantom.solids import Solid


@dataclass(frozen=True)
class GrowthPlate:
    """A plane across a growing bone. The part beyond it is the epiphysis, a separate piece until the plate closes.

    `point` (3,) lies in the plane, `normal` (3,) points into the epiphysis. Its ossification centre appears at
    `appears` years and is fused at `closes` (Gray's Anatomy, rounded means).
    """

    point: tuple[float, float, float]
    normal: tuple[float, float, float]
    appears: float
    closes: float


@dataclass(frozen=True)
class Bone:
    """A bone's adult form.

    `cortex`: thickness of the compact shell in mm at the bone's ends and at mid-length along its `axis` (0, 1, 2 or
    None for the same everywhere). `step`: sampling in mm, fine enough for its details. `ossifies`: years at which its
    first centre shows and at which it has its shape (for bones that are cartilage at birth).
    """

    solid: Solid
    cortex: tuple[float, float]
    step: float
    axis: int | None = 2
    plates: tuple[GrowthPlate, ...] = ()
    ossifies: tuple[float, float] | None = None


def across(z: float, side: int, appears: float, closes: float) -> GrowthPlate:
    """A growth plate square to the z axis at `z` mm; `side` is +1 if the epiphysis lies above it, -1 if below."""
    return GrowthPlate((0.0, 0.0, z), (0.0, 0.0, float(side)), appears, closes)
