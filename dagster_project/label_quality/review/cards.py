"""The worklist as it lies on the disk, for the page that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.core.atomic_io import read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.label_quality.review.acceptance_sampling import draw_of

CARDS, IMAGES = "cards.json", "images"


@dataclass(frozen=True)
class Worklist:
    """`cards` by image_id, the most suspicious first; `model` and `data_version` are hashes of what they come from.

    `images` are the JPEG files of all images that the cards show, by image_id. `sample` is the mark of the draw if
    the cards are a random sample (sampling.py), in the order drawn; '' for the ranked list.
    """

    cards: dict[str, dict[str, Any]]
    model: str
    data_version: str
    images: dict[str, Path]
    sample: str = ""


def load_worklist(paths: Paths) -> Worklist:
    """The worklist as last made. Raises RayTruthError if there is none."""
    if not (paths.worklist / CARDS).exists():
        raise RayTruthError(
            "There is no worklist yet", where=f"data/reports/worklist/{CARDS}", do="run `raytruth worklist`"
        )
    return read_cards(paths.worklist)


def load_sample(paths: Paths, size: int, seed: int) -> Worklist | None:
    """The random sample as last drawn, if it was by this seed and of this size, or of all that there was."""
    if not (paths.random_sample / CARDS).exists():
        return None
    found = read_cards(paths.random_sample)
    draw = draw_of(found.sample)
    return found if (draw.seed, draw.drawn) == (seed, min(size, draw.population)) else None


def read_cards(folder: Path) -> Worklist:
    """What lies in a folder of cards and images."""
    found = read_json(folder / CARDS)
    cards = {card["image_id"]: card for card in found["cards"]}
    images = {path.stem: path for path in (folder / IMAGES).glob("*.jpg")}
    return Worklist(cards, found["model"], found["data_version"], images, found.get("sample", ""))
