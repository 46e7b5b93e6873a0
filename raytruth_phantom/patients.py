"""A patient: age, sex, size and the proportions that stay the same from exposure to exposure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from raytruth_phantom.solids import FloatArray

SEGMENTS = ("upper_arm", "forearm", "hand", "thigh", "leg", "foot", "pelvis", "spine", "thorax", "head")

# mean height in mm at ages in years (WHO growth standards, both sexes, rounded)
_AGES = (0.5, 1, 2, 4, 6, 8, 10, 12, 14, 16, 18)
_HEIGHTS = (670, 750, 865, 1025, 1155, 1275, 1385, 1505, 1635, 1705, 1725)
_REFERENCE_HEIGHT = 1740.0  # of the adult that the bones describe


@dataclass(frozen=True)
class Patient:
    """The patient of an exposure.

    `size`: whole-body scale, 1 for the reference adult. `widths`, `lengths`: one additional factor per segment.
    `build`: soft tissue, 1 for a slim adult, about 2 for a heavy one. `thinning`: cortical thickness, 1 healthy, less
    with osteopenia. `mineral`: trabecular density, 1 healthy. `key`: seed of the shapes of this patient's
    bones.
    """

    key: str
    age: float
    sex: str
    size: float
    build: float
    thinning: float
    mineral: float
    scoliosis: float
    widths: tuple[float, ...]
    lengths: tuple[float, ...]

    @property
    def growing(self) -> bool:
        """Whether growth plates are still open."""
        return self.age < 17.5

    def scale(self, segment: str) -> FloatArray:
        """Factors (3,) for coordinates of that segment's bones, long axis last."""
        i = SEGMENTS.index(segment)
        return self.size * np.array([self.widths[i], self.widths[i], self.lengths[i]])


def generator(*parts: object) -> np.random.Generator:
    """A random generator that depends on `parts` alone, the same in every process and on every machine."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw_patient(key: str) -> Patient:
    """Draw the patient that belongs to `key`: one in six a child, one in four over 65."""
    rng = generator("patient", key)
    band = rng.choice(3, p=[0.16, 0.58, 0.26])
    age = float((rng.uniform(1, 17), rng.uniform(18, 65), rng.uniform(65, 95))[band])
    sex = str(rng.choice(["F", "M"]))
    height = np.interp(age, _AGES, _HEIGHTS) * rng.normal(1, 0.04)
    if age > 15:
        height *= 1.025 if sex == "M" else 0.965
    size = height / _REFERENCE_HEIGHT
    slender = 0.95 if sex == "F" else 1.02
    # small children are broad for their length
    broad = slender * np.interp(age, [1, 6, 14], [1.22, 1.08, 1.0])
    widths = np.clip(rng.normal(broad, 0.045, len(SEGMENTS)), 0.85, 1.4)
    lengths = np.clip(rng.normal(1, 0.025, len(SEGMENTS)), 0.92, 1.08)
    head = SEGMENTS.index("head")
    widths[head] = lengths[head] = np.interp(age, [1, 5, 16], [0.86, 0.95, 1.0]) / size * rng.normal(1, 0.02)
    loss = max(0.0, (age - 55) / 40) * (1.0 if sex == "F" else 0.65) * rng.uniform(0.4, 1.2)
    return Patient(
        key=key,
        age=age,
        sex=sex,
        size=size,
        build=float(np.clip(rng.lognormal(0.22, 0.24), 0.85, 2.1)) if age > 12 else float(rng.uniform(0.9, 1.35)),
        thinning=float(np.clip(1 - 0.5 * loss, 0.45, 1)),
        mineral=float(np.clip(1 - 0.6 * loss + rng.normal(0, 0.08), 0.35, 1.15)),
        scoliosis=float(rng.choice([rng.normal(0, 2.5), rng.normal(0, 14)], p=[0.85, 0.15])),
        widths=tuple(float(w) for w in widths),
        lengths=tuple(float(v) for v in lengths),
    )
