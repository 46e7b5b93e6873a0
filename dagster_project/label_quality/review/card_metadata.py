"""Metadata of the cards, by which the worklist is filtered, and the error probabilities of their labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.stopping_rule import expected_errors

_COLUMNS = ["image_id", "batch", "manufacturer", "model", "station", "label_attribute", "label_matched", "pixel_digest"]


def headers_of(paths: Paths, worklist: Worklist) -> pd.DataFrame:
    """Rows of the header tables for the images of the cards, with the pseudonyms of their pixels."""
    batches = sorted({card["batch"] for card in worklist.cards.values()})
    tables = [load_headers(paths, batch)[_COLUMNS] for batch in batches if paths.headers(batch).exists()]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=_COLUMNS).astype("string")
    return table[table["image_id"].isin(worklist.cards)].fillna("")


def with_card_metadata(paths: Paths, worklist: Worklist, headers: pd.DataFrame) -> Worklist:
    """The worklist, its cards with `station`, `device`, `source` (of the label), `orientation` and `causes`.

    They are empty where not known; `orientation` also for an image that is upright and not inverted.
    """
    metadata: dict[str, dict[str, Any]] = {
        row["image_id"]: {
            "station": row["station"],
            "device": f"{row['manufacturer']} {row['model']}".strip(),
            "source": f"{row['label_attribute']} {row['label_matched']}".strip(),
        }
        for row in headers.to_dict("records")
    }
    unknown = {"station": "", "device": "", "source": ""}
    causes, orientations = _causes(paths), _orientations(paths)
    return replace(
        worklist,
        cards={
            i: card | metadata.get(i, unknown) | {"causes": causes.get(i, []), "orientation": orientations.get(i, "")}
            for i, card in worklist.cards.items()
        },
    )


def expected_errors_of(paths: Paths, worklist: Worklist, reviewed: Iterable[str]) -> tuple[dict[str, float], float]:
    """The error probability of each card's label, in 0..1, and the expected number of errors outside the worklist.

    Missing labels and, outside the worklist, `reviewed` images are left out.
    Raises RayTruthError if an older version wrote the ranked list.
    """
    if not paths.label_errors.exists():
        return {}, 0.0
    ranked = read_table(paths.label_errors)
    if "error_probability" not in ranked:
        raise RayTruthError(
            "The ranked list was written by an older version, without error probabilities",
            where=paths.place(paths.label_errors),
            do="run `raytruth find-errors`, then `raytruth worklist`; no verdict is lost",
        )
    ranked = ranked[ranked["kind"] != "missing_label"]
    probability = ranked["error_probability"]
    listed = ranked["image_id"].isin(worklist.cards)
    cards = dict(zip(ranked["image_id"][listed], probability[listed].astype(float), strict=True))
    return cards, expected_errors(probability[~listed & ~ranked["image_id"].isin(list(reviewed))])


def _causes(paths: Paths) -> dict[str, list[str]]:
    """Image_id -> the causes that name the image."""
    found: dict[str, list[str]] = {}
    if paths.error_causes.exists():
        for cause, image_ids in read_table(paths.error_causes)[["cause", "image_ids"]].itertuples(index=False):
            for image_id in image_ids:
                found.setdefault(image_id, []).append(cause)
    return found


def _orientations(paths: Paths) -> dict[str, str]:
    """Image_id -> what the image is shown as, such as `turned by 180°`, for turned and inverted images."""
    if not paths.orientation.exists():
        return {}
    found = read_table(paths.orientation, ["image_id", "finding"])
    found = found[found["finding"] != ""]
    return dict(zip(found["image_id"], found["finding"], strict=True))
