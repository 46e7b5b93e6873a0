"""Attenuation coefficients and Beer-Lambert's law."""

from __future__ import annotations

import numpy as np
import pytest

from raytruth_phantom.attenuation import MATERIALS, coefficient, effective_energy, transmission


def test_transmission_multiplies_over_materials_and_lengths() -> None:
    bone, muscle = np.full((2, 3), 12.0, np.float32), np.full((2, 3), 90.0, np.float32)
    both = transmission({"cortical": bone, "muscle": muscle}, 45.0)
    apart = transmission({"cortical": bone}, 45.0) * transmission({"muscle": muscle}, 45.0)
    assert np.allclose(both, apart, rtol=1e-5)
    assert np.allclose(
        transmission({"muscle": 2 * muscle}, 45.0), transmission({"muscle": muscle}, 45.0) ** 2, rtol=1e-4
    )


def test_transmission_is_the_exponential_of_coefficient_times_length() -> None:
    length = np.array([[0.0, 10.0]], np.float32)
    expected = np.exp(-coefficient("fat", 50.0) * length)
    assert np.allclose(transmission({"fat": length}, 50.0), expected, rtol=1e-6)


@pytest.mark.parametrize("kev", [30.0, 45.0, 60.0])
def test_materials_stand_in_their_known_order(kev: float) -> None:
    order = ["air", "lung", "fat", "muscle", "cortical", "titanium", "steel"]
    values = [coefficient(name, kev) for name in order]
    assert values == sorted(values)


def test_a_tabulated_energy_gives_the_tabulated_value() -> None:
    # NIST XCOM: cortical bone at 60 keV 0.315 cm²/g, density 1.92 g/cm³
    assert coefficient("cortical", 60.0) == pytest.approx(0.315 * 1.92 / 10, rel=1e-6)


@pytest.mark.parametrize("material", MATERIALS)
def test_harder_beams_penetrate_more(material: str) -> None:
    assert coefficient(material, effective_energy(50)) > coefficient(material, effective_energy(90))


def test_an_unknown_material_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"unobtainium.*cortical"):
        coefficient("unobtainium", 50.0)
