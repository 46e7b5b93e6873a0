"""A posed part of the skeleton."""

from __future__ import annotations

from dataclasses import dataclass, field

from raytruth_phantom.frames import MIRROR
from raytruth_phantom.solids import FloatArray


@dataclass(frozen=True)
class Pose:
    """Bones and joints in one space.

    `bones`: name in the catalogue and affine, which includes the patient's scale. `frames`: rigid frames of the
    segments, by name, to which cameras, soft tissue and implants refer; their coordinates are millimetres of this
    patient.
    """

    bones: list[tuple[str, FloatArray]] = field(default_factory=list)
    frames: dict[str, FloatArray] = field(default_factory=dict)

    def joined(self, other: Pose) -> Pose:
        """Both poses in one."""
        return Pose(self.bones + other.bones, self.frames | other.frames)

    def only(self, *names: str) -> Pose:
        """The pose with the bones of those names alone."""
        return Pose([(name, affine) for name, affine in self.bones if name in names], self.frames)

    def mirrored(self, prefix: str = "") -> Pose:
        """The pose of the other side; frames are renamed with `prefix`."""
        return Pose(
            [(name, MIRROR @ affine) for name, affine in self.bones],
            {prefix + name: MIRROR @ affine for name, affine in self.frames.items()},
        )
