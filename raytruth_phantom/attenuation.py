"""How strongly the body's materials attenuate X-rays, and Beer-Lambert's law over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Mass attenuation in cm²/g at 30, 40, 50, 60, 80 keV: NIST XCOM / NISTIR 5632 (ICRU-44 tissues), rounded;
# plaster is gypsum with half its volume air. Density in g/cm³.
_ENERGIES = (30.0, 40.0, 50.0, 60.0, 80.0)
_MATERIALS = {
    "cortical": (1.92, (1.331, 0.666, 0.424, 0.315, 0.223)),
    "muscle": (1.05, (0.379, 0.269, 0.226, 0.205, 0.182)),
    "fat": (0.95, (0.306, 0.240, 0.212, 0.197, 0.180)),
    "lung": (0.26, (0.382, 0.270, 0.227, 0.205, 0.183)),
    "air": (0.0012, (0.354, 0.248, 0.208, 0.188, 0.166)),
    "plaster": (1.05, (1.10, 0.57, 0.37, 0.28, 0.21)),
    "titanium": (4.5, (4.97, 2.21, 1.21, 0.766, 0.405)),
    "steel": (7.9, (8.18, 3.63, 1.96, 1.21, 0.595)),
}
MATERIALS = tuple(_MATERIALS)
TRABECULAR_FRACTION = 0.16  # of cancellous bone's volume that is mineralised; the rest is marrow, much like fat


def effective_energy(kvp: float) -> float:
    """Mean energy in keV of a filtered beam at `kvp` kilovolts, about half of it in radiography."""
    return 0.42 * kvp + 10.0


def coefficient(material: str, kev: float) -> float:
    """Linear attenuation of `material` in 1/mm at `kev`, interpolated between the tabulated energies (log-log)."""
    if material not in _MATERIALS:
        raise ValueError(f"unknown material {material!r}: use one of {', '.join(MATERIALS)}")
    density, mass = _MATERIALS[material]
    return float(np.exp(np.interp(np.log(kev), np.log(_ENERGIES), np.log(mass))) * density / 10)


def transmission(lengths: dict[str, NDArray[np.float32]], kev: float) -> NDArray[np.float32]:
    """Fraction of the beam that passes `lengths` (rows, columns) mm of each material: exp(-sum of mu times path)."""
    total = sum(coefficient(material, kev) * path for material, path in lengths.items())
    return np.exp(-np.asarray(total, np.float32))
