"""Position of tube and detector for one exposure: the ideal projection, and realistic deviations from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raytruth_phantom.frames import at, turn_about
from raytruth_phantom.posing.pose import Pose
from raytruth_phantom.projection import Beam
from raytruth_phantom.sites import Site
from raytruth_phantom.solids import FloatArray
from raytruth_phantom.views import View

CASSETTES = ((180.0, 240.0), (240.0, 300.0), (350.0, 430.0))  # mm


@dataclass(frozen=True)
class Aim:
    """Beam and collimation of one exposure.

    `field`: corners (4, 2) of the exposed field in pixels (column, row), anticlockwise on the screen.
    """

    beam: Beam
    field: FloatArray


def aim(view: View, pose: Pose, size: float, site: Site, rng: np.random.Generator, nudge: float = 0.0) -> Aim:
    """Aim the beam for `view` at a posed patient of body scale `size`, with deviations drawn from `rng`.

    `nudge` (0..1) moves an otherwise equal exposure a little, like a repeated exposure.
    """
    frame = pose.frames[view.frame]
    beam_axis, up = (_unit(frame[:3, :3] @ np.asarray(v, float)) for v in (view.toward, view.up))
    right = _unit(np.cross(-up, beam_axis))
    sway, tilt = rng.normal(0, view.sway), rng.normal(0, 0.6 * view.sway)
    stray = turn_about(up, sway + 4 * nudge)[:3, :3] @ turn_about(right, tilt - 2 * nudge)[:3, :3]
    beam_axis, up = stray @ beam_axis, stray @ up
    roll = _roll(view, rng) + 3 * nudge
    up = turn_about(beam_axis, roll)[:3, :3] @ up
    down = -_unit(up - beam_axis * (beam_axis @ up))
    right = np.cross(down, beam_axis)

    trunk = view.limb in ("trunk", "shoulder")
    to_detector = rng.uniform(1100, 1500) if trunk else rng.uniform(950, 1200)
    behind = rng.uniform(90, 240) if trunk else rng.uniform(25, 110)  # from the part's middle to the detector
    magnification = to_detector / (to_detector - behind)

    width, height = _field(view, size, roll, site, rng) * magnification
    border = _border(site, rng)
    longest = 300 + 340 * rng.beta(1.0, 2.8)
    pitch = max(width, height) * border / longest
    shape = (max(96, round(height * border / pitch)), max(96, round(width * border / pitch)))
    slip = rng.normal(0, 0.055, 2) * (width, height) + 0.03 * nudge * width
    centre = at(frame, np.multiply(view.centre, size)) + (right * slip[0] + down * slip[1]) / magnification
    beam = Beam(
        origin=centre,
        axes=np.stack([right, down, beam_axis]),
        source_to_origin=to_detector - behind,
        source_to_detector=to_detector,
        pitch=pitch,
        shape=shape,
        centre=((shape[0] - 1) / 2, (shape[1] - 1) / 2),
    )
    return Aim(beam, _corners(width / pitch, height / pitch, border, shape, rng))


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / np.linalg.norm(vector))


def _roll(view: View, rng: np.random.Generator) -> float:
    """Rotation of the body part on the image, degrees: limbs lie at any angle, trunks stand upright."""
    if view.limb in ("trunk", "shoulder"):
        return float(rng.normal(0, 2.5))
    lying = rng.choice([0.0, 90.0, -90.0, 180.0], p=[0.94, 0.02, 0.02, 0.02])
    return float(lying + rng.normal(0, rng.choice([4.0, 11.0], p=[0.75, 0.25])))


def _field(view: View, size: float, roll: float, site: Site, rng: np.random.Generator) -> FloatArray:
    """Width and height of the exposed field at the patient, mm."""
    field = np.multiply(view.size, size)
    if abs(abs(roll) - 90) < 30:  # lying across
        field = field[::-1]
    field = field * rng.uniform(*site.margin) * np.exp(rng.normal(0, 0.08, 2))
    if rng.random() < site.cassette:
        fitting = [c for c in CASSETTES if max(c) >= 0.9 * field.max()] or [CASSETTES[-1]]
        short, long = fitting[int(rng.integers(0, min(2, len(fitting))))]
        plate = np.array([short, long] if field[1] >= field[0] else [long, short])
        field = np.maximum(field, plate) if field.max() > 430 else plate
    return np.asarray(field)


def _border(site: Site, rng: np.random.Generator) -> float:
    """Size of the image relative to the exposed field: 1 if the image was cropped to the field."""
    return float(rng.uniform(1.03, 1.3)) if rng.random() < site.shutter else 1.0


def _corners(
    width: float, height: float, border: float, shape: tuple[int, int], rng: np.random.Generator
) -> FloatArray:
    half = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) * (width, height)
    if border == 1.0:
        return half * 1.1 + np.array(shape[::-1]) / 2
    angle = np.radians(rng.normal(0, 2.5))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    slip = rng.normal(0, 0.25 * (border - 1), 2) * (width, height)
    return half @ turn + np.array(shape[::-1]) / 2 + slip
