"""The worklist as it lies on the disk, for the page that serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.errors import RayTruthError
from dagster_project.files import read_json
from dagster_project.layout import Layout

CARDS, PICTURES = "cards.json", "pictures"


@dataclass(frozen=True)
class Worklist:
    """`cards` by image_id, the most suspicious first; `model` and `data_version` are hashes of what they come from.

    `pictures` are the JPEG files of all pictures that the cards show, by image_id.
    """

    cards: dict[str, dict[str, Any]]
    model: str
    data_version: str
    pictures: dict[str, Path]


def load_worklist(layout: Layout) -> Worklist:
    """The worklist as last made. Raises RayTruthError if there is none."""
    file = layout.worklist / CARDS
    if not file.exists():
        raise RayTruthError(
            "There is no worklist yet", where=f"data/reports/worklist/{CARDS}", do="run `raytruth worklist`"
        )
    found = read_json(file)
    cards = {card["image_id"]: card for card in found["cards"]}
    pictures = {path.stem: path for path in (layout.worklist / PICTURES).glob("*.jpg")}
    return Worklist(cards, found["model"], found["data_version"], pictures)
