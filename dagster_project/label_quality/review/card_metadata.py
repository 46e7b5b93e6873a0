"""What images of the worklist have in common, to narrow it by, and how likely labels are wrong."""

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
    """Rows of the header tables about the cards' images: what they have in common, and their pixels' pseudonyms."""
    batches = sorted({card["batch"] for card in worklist.cards.values()})
    tables = [load_headers(paths, batch)[_COLUMNS] for batch in batches if paths.headers(batch).exists()]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=_COLUMNS).astype("string")
    return table[table["image_id"].isin(worklist.cards)].fillna("")


def with_facts(paths: Paths, worklist: Worklist, headers: pd.DataFrame) -> Worklist:
    """The worklist, its cards with `station`, `device`, `source` (of the label) and `causes`; empty if not known."""
    facts: dict[str, dict[str, Any]] = {
        row["image_id"]: {
            "station": row["station"],
            "device": f"{row['manufacturer']} {row['model']}".strip(),
            "source": f"{row['label_attribute']} {row['label_matched']}".strip(),
        }
        for row in headers.to_dict("records")
    }
    unknown = {"station": "", "device": "", "source": ""}
    causes = _causes(paths)
    return replace(
        worklist,
        cards={i: card | facts.get(i, unknown) | {"causes": causes.get(i, [])} for i, card in worklist.cards.items()},
    )


def expected_errors_of(paths: Paths, worklist: Worklist, read: Iterable[str]) -> tuple[dict[str, float], float]:
    """How likely each card's label is wrong, in 0..1; and how many are, of those neither in the list nor read.

    Cards without a label are left out: there is nothing to be wrong.
    Raises RayTruthError if the ranked list is from before it held probabilities.
    """
    if not paths.label_errors.exists():
        return {}, 0.0
    ranked = read_table(paths.label_errors)
    if "error_probability" not in ranked:
        raise RayTruthError(
            "The ranked list does not say how likely labels are wrong: an older version wrote it",
            where="data/label_errors.parquet",
            do="run `raytruth find-errors`, then `raytruth worklist`; no verdict is lost by it",
        )
    ranked = ranked[ranked["kind"] != "missing_label"]
    likely = ranked["error_probability"]
    listed = ranked["image_id"].isin(worklist.cards)
    cards = dict(zip(ranked["image_id"][listed], likely[listed].astype(float), strict=True))
    return cards, expected_errors(likely[~listed & ~ranked["image_id"].isin(list(read))])


def _causes(paths: Paths) -> dict[str, list[str]]:
    """Image_id -> the causes that it is among the images of."""
    found: dict[str, list[str]] = {}
    if paths.causes.exists():
        for cause, image_ids in read_table(paths.causes)[["cause", "image_ids"]].itertuples(index=False):
            for image_id in image_ids:
                found.setdefault(image_id, []).append(cause)
    return found
