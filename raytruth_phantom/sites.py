"""The two hospitals: their examinations and image properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raytruth_phantom.views import REGIONS


@dataclass(frozen=True)
class Room:
    """An examination room. `default_errors`: how much more often than elsewhere the last label is kept."""

    name: str
    manufacturer: str
    model: str
    default_errors: float = 1.0


@dataclass(frozen=True)
class Site:
    """A hospital's habits; ranges are uniform, shares are probabilities.

    `mix`: relative frequency of each region. `floor`: least number of patients of every region among 120. `dx`: share
    of DX, the rest CR. `dose`: photons per square millimetre of detector behind the patient. `contrast`, `detail`:
    gradation and edge enhancement of the processing. `margin`: width of the field relative to a well collimated one.
    """

    name: str
    mix: Mapping[str, float]
    floor: int
    rooms: tuple[Room, ...]
    dx: float
    dose: tuple[float, float]
    contrast: tuple[float, float]
    detail: tuple[float, float]
    margin: tuple[float, float]
    cassette: float
    shutter: float
    ruler: float
    cast: float
    language: str


_NORTH_MIX = dict(zip(REGIONS, (9, 4, 7, 5, 10, 12, 10, 6, 14, 6, 10, 11, 7, 12), strict=True))
_SOUTH_MIX = dict(zip(REGIONS, (5, 3, 6, 7, 14, 24, 5, 3, 12, 5, 14, 24, 1.5, 2), strict=True))

SITES = {
    "north": Site(
        name="north",
        mix=_NORTH_MIX,
        floor=8,
        rooms=(
            Room("ROOM1", "ACME", "DR-1"),
            Room("ROOM2", "ACME", "DR-1"),
            Room("ROOM3", "RAYCO", "Vantage 40", default_errors=4.0),
            Room("ROOM4", "RAYCO", "Vantage 20"),
        ),
        dx=0.6,
        dose=(8_000, 50_000),
        contrast=(0.8, 1.25),
        detail=(0.3, 1.3),
        margin=(0.85, 1.25),
        cassette=0.14,
        shutter=0.25,
        ruler=0.05,
        cast=0.06,
        language="en",
    ),
    "south": Site(
        name="south",
        mix=_SOUTH_MIX,
        floor=3,
        rooms=(Room("AUFNAHME1", "LUMEN", "Plattenleser 9"), Room("AUFNAHME2", "LUMEN", "Flachdetektor S", 3.0)),
        dx=0.25,
        dose=(2_500, 10_000),
        contrast=(1.15, 1.7),
        detail=(1.0, 2.2),
        margin=(0.72, 1.0),
        cassette=0.08,
        shutter=0.75,
        ruler=0.4,
        cast=0.28,
        language="de",
    ),
}
