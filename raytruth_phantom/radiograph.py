"""One exposure from start to end: pose the patient, aim, project, detect, process, annotate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raytruth_phantom.annotations import annotate
from raytruth_phantom.attenuation import effective_energy, transmission
from raytruth_phantom.camera import Aim, aim
from raytruth_phantom.detector import detect, develop, draw_processing
from raytruth_phantom.hardware import implants, jewellery
from raytruth_phantom.meshes import Mesh, globe
from raytruth_phantom.patients import Patient, generator
from raytruth_phantom.projection import Float32
from raytruth_phantom.scene import Scene, build_scene, materials
from raytruth_phantom.sites import Site
from raytruth_phantom.soft_tissue import bowel_gas, cast_envelope
from raytruth_phantom.solids import mirrored
from raytruth_phantom.texture import clouds, grain
from raytruth_phantom.views import View

_IMPLANT_SHARE, _JEWELLERY_SHARE = 0.09, 0.06


@dataclass(frozen=True)
class Radiograph:
    """A finished image: `pixels` (rows, columns) uint16, 0..4095, dense parts bright, and how it was taken."""

    pixels: NDArray[np.uint16]
    pixel_spacing: float
    kvp: float
    exposure: float
    burned_in: bool


def take_radiograph(
    patient: Patient, view: View, side: str, site: Site, key: str, *, repeated: bool = False, reprocessed: bool = False
) -> Radiograph:
    """Expose `view` of `patient`; everything except the patient's bones is drawn from `key`.

    `side`: R, L, or empty for an unpaired part. `repeated` takes the same exposure again with the patient slightly
    moved; `reprocessed` develops the same exposure differently and crops it a little.
    """
    scene = position_patient(patient, view, side, site, generator("scene", key))
    shot = aim(view, scene.pose, patient.size, site, generator("aim", key), nudge=float(repeated))
    rng = generator("exposure", key, repeated)
    trunk = view.limb in ("trunk", "shoulder")
    lengths = _lengths(scene, shot, rng)
    kvp = _tube_voltage(lengths, rng)
    primary = transmission(lengths, effective_energy(kvp))
    # automatic exposure control: the dose behind the patient follows the site's setting
    behind = float(np.median(primary[primary < 0.85])) if (primary < 0.85).any() else 1.0
    photons = float(np.exp(rng.uniform(*np.log(site.dose)))) / max(behind, 1e-3)  # per square millimetre in air
    signal = detect(
        primary,
        shot.field,
        photons=photons * shot.beam.pitch**2,
        scatter=float(rng.uniform(0.08, 0.35) if trunk else rng.uniform(0.03, 0.15)),
        blur=float(rng.uniform(0.45, 0.95)),
        grid=float(rng.uniform(0.01, 0.035)) if trunk and rng.random() < 0.12 else 0.0,
        rng=rng,
    )
    rng = generator("processing", key, repeated, reprocessed)
    processing = draw_processing(site, trunk, rng)
    if reprocessed:
        processing = replace(processing, level=processing.level + 0.15 * float(rng.choice([-1, 1])))
    pixels = develop(signal, shot.field, processing)
    if side == "L":
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    pixels, burned_in = annotate(pixels, side, site, generator("text", key))
    if reprocessed:
        top, left = (int(n * rng.uniform(0.01, 0.05)) for n in pixels.shape)
        pixels = pixels[top : pixels.shape[0] - top, left:]
    return Radiograph(pixels, round(shot.beam.pitch, 4), kvp, round(photons / 30_000, 2), burned_in)


def position_patient(patient: Patient, view: View, side: str, site: Site, rng: np.random.Generator) -> Scene:
    """The patient in position. A left side is taken as a right side and mirrored at the end, and so is the heart."""
    angles = {name: float(rng.uniform(*limits)) for name, limits in view.angles.items()}
    scene = build_scene(patient, view.limb, angles)
    extras = list(scene.extras)
    lasting = generator("hardware", patient.key, view.region)  # implants and casts stay from one exposure to the next
    if lasting.random() < _IMPLANT_SHARE:
        extras += implants(view.region, scene.pose, patient, lasting)
    elif view.limb in ("arm", "leg") and lasting.random() < site.cast:
        cast = cast_envelope(view.limb, scene.pose, patient)
        scene = replace(scene, cast=cast, cast_thickness=float(lasting.uniform(3.0, 8.0)))
    if rng.random() < _JEWELLERY_SHARE:
        extras += jewellery(view.region, scene.pose, patient, rng)
    if view.limb == "trunk" and rng.random() < 0.8:
        extras += _gas(scene, rng)
    turned = [mirrored(solid) for solid in scene.heart] if side == "L" else scene.heart
    return replace(scene, extras=extras, heart=turned)


def _gas(scene: Scene, rng: np.random.Generator) -> list[tuple[str, Mesh]]:
    size = scene.patient.size
    middle = scene.pose.frames["L4"][:3, 3] + np.array([0, -65, -20]) * size
    bubbles = bowel_gas(rng, middle, np.array([55, 22, 70]) * size, size)
    return [("air", globe(centre, radii)) for centre, radii in bubbles]


def _lengths(scene: Scene, shot: Aim, rng: np.random.Generator) -> dict[str, Float32]:
    beam = shot.beam
    pixel = beam.pitch * beam.source_to_origin / beam.source_to_detector
    angle = float(rng.uniform(0, 180))
    texture = 1 + 0.13 * grain(beam.shape, pixel, angle, rng) + 0.09 * grain(beam.shape, pixel, angle + 75, rng)
    lengths = materials(scene, beam, texture)
    lengths["muscle"] = lengths["muscle"] * (
        1 + 0.005 * clouds(beam.shape, 25, rng) + 0.004 * clouds(beam.shape, 70, rng)
    )
    if scene.cast:
        lengths["plaster"] = lengths["plaster"] * (
            1 + 0.05 * clouds(beam.shape, 60, rng) + 0.08 * clouds(beam.shape, 14, rng)
        )
    return lengths


def _tube_voltage(lengths: dict[str, Float32], rng: np.random.Generator) -> float:
    """Kilovolts as chosen by a radiographer: about 50 for a hand, 90 for a lateral lumbar spine."""
    thickness = float(np.percentile(sum(lengths[name][::5, ::5] for name in ("cortical", "muscle", "fat")), 85))
    return round(float(np.clip(43 + 0.17 * thickness + rng.normal(0, 3), 44, 120)), 1)
