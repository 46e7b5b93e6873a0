"""The projections a radiographer takes, read from views.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Vector = tuple[float, float, float]
Range = tuple[float, float]

REGIONS = (
    "shoulder",
    "humerus",
    "elbow",
    "forearm",
    "wrist",
    "hand",
    "pelvis",
    "femur",
    "knee",
    "lower_leg",
    "ankle",
    "foot",
    "cervical_spine",
    "thoracolumbar_spine",
)
# named directions in a segment's frame; from outside: into the lateral side of a right limb
_DIRECTIONS: dict[str, Vector] = {
    "AP": (0.0, 1.0, 0.0),
    "PA": (0.0, -1.0, 0.0),
    "FROM_OUTSIDE": (1.0, 0.0, 0.0),
    "FROM_INSIDE": (-1.0, 0.0, 0.0),
    "OBLIQUE": (0.7, 0.7, 0.0),
    "HEAD": (0.0, 0.0, 1.0),
    "FEET": (0.0, 0.0, -1.0),
}


@dataclass(frozen=True)
class View:
    """One projection.

    `position`: DICOM ViewPosition. `limb`: arm, leg, shoulder (trunk and arm) or trunk (with all limbs). `frame` and
    `centre`: the segment and the point in it (adult mm) at which the beam aims. `toward`, `up`: the beam's direction
    and the image's upward direction in that frame. `size`: width and height in adult mm of a well collimated field.
    `angles`: range in degrees of every joint angle that is not zero. `second`: the other region that this projection
    shows. `sway`: standard deviation in degrees of the patient's rotation from the ideal position. `term`: the defined
    term of this projection, if not the first term of the region.
    """

    region: str
    name: str
    position: str
    limb: str
    frame: str
    centre: Vector
    toward: Vector
    up: Vector
    size: tuple[float, float]
    angles: dict[str, Range] = field(default_factory=dict)
    second: str = ""
    sway: float = 6.0
    term: str = ""


def _view(region: str, name: str, entry: dict[str, Any]) -> View:
    """One entry of views.yaml; an unknown key is an error."""
    named = {
        key: _DIRECTIONS.get(entry[key]) if isinstance(entry[key], str) else entry[key] for key in ("toward", "up")
    }
    angles = {joint: tuple(limits) for joint, limits in entry.get("angles", {}).items()}
    return View(region=region, name=name, **(entry | named | {"angles": angles}))


def _read() -> tuple[tuple[View, ...], dict[str, tuple[tuple[str, ...], ...]]]:
    table = yaml.safe_load(Path(__file__).with_name("views.yaml").read_text(encoding="utf-8"))
    views = tuple(_view(region, name, entry) for region in table for name, entry in table[region]["views"].items())
    protocols = {region: tuple(map(tuple, table[region].get("protocols", ()))) for region in table}
    return views, protocols


_ALL, PROTOCOLS = _read()
VIEWS = tuple(view for view in _ALL if view.region in REGIONS)
OUT_OF_DOMAIN_VIEWS = tuple(view for view in _ALL if view.region not in REGIONS)
