"""The worklist on the disk, as the review page serves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.label_quality.review.acceptance_sampling import draw_of

CARDS, IMAGES = "cards.json", "images"
SCHEMA = 2
# The names of schema 1, which wrote no schema. `score` was 1 - error_probability.
_OLD_NAMES = {
    "given": "given_region",
    "proposed": "proposed_region",
    "agreement": "model_agreement",
    "unusual": "neighbourhood_noise",
    "beside": "comparison",
}


@dataclass(frozen=True)
class Worklist:
    """`cards` by image_id, the most suspicious first; `model_version` and `data_version` are hashes of their sources.

    `images` are the JPEG files of all images that the cards show, by image_id. `sample` is the mark of the draw if the
    cards are a random sample (acceptance_sampling.py), in the order drawn; '' for the ranked list.
    """

    cards: dict[str, dict[str, Any]]
    model_version: str
    data_version: str
    images: dict[str, Path]
    sample: str = ""


def load_worklist(paths: Paths) -> Worklist:
    """The worklist. Raises RayTruthError if there is none."""
    if not (paths.worklist / CARDS).exists():
        raise RayTruthError(
            "There is no worklist yet", where=paths.place(paths.worklist / CARDS), do="run `raytruth worklist`"
        )
    return read_cards(paths.worklist)


def load_sample(paths: Paths, size: int, seed: int) -> Worklist | None:
    """The last random sample, if it was drawn with this seed and size (or was all that there is); else None."""
    if not (paths.random_sample / CARDS).exists():
        return None
    found = read_cards(paths.random_sample)
    draw = draw_of(found.sample)
    return found if (draw.seed, draw.drawn) == (seed, min(size, draw.population)) else None


def read_cards(folder: Path) -> Worklist:
    """The cards and images of a folder. Raises RayTruthError if another version of RayTruth wrote them."""
    found = read_json(folder / CARDS)
    if found.get("schema") != SCHEMA:
        raise RayTruthError(
            "The cards of the review page were written by another version of RayTruth",
            where=f"{folder.name}/{CARDS}",
            do="run `raytruth migrate`, or for the worklist also `raytruth worklist`; no verdict is lost",
        )
    cards = {card["image_id"]: card for card in found["cards"]}
    images = {path.stem: path for path in (folder / IMAGES).glob("*.jpg")}
    return Worklist(cards, found["model_version"], found["data_version"], images, found.get("sample", ""))


def migrate_cards(folder: Path) -> int:
    """Bring the cards of a folder from schema 1 to the names of today; return how many (0 if none were old)."""
    path, old_images = folder / CARDS, folder / "pictures"
    if old_images.is_dir():
        old_images.rename(folder / IMAGES)
    if not path.exists() or "schema" in (found := read_json(path)):
        return 0
    found |= {"schema": SCHEMA, "model_version": found.pop("model"), "cards": [_migrated(c) for c in found["cards"]]}
    write_json(path, found)
    return len(found["cards"])


def _migrated(card: dict[str, Any]) -> dict[str, Any]:
    new = {_OLD_NAMES.get(name, name): value for name, value in card.items()}
    if "score" in new:
        new["error_probability"] = round(1 - new.pop("score"), 4)
    return new
