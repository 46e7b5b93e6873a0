"""The worklist: one card a suspicious label, with all that a reviewer needs to answer by one key."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, select_autoescape
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from dagster_project.evaluation.embeddings import load_embeddings
from dagster_project.files import content_hash, replacing_dir
from dagster_project.label_errors.find import load_label_errors
from dagster_project.layout import Layout
from dagster_project.params import Params
from dagster_project.progress import track
from dagster_project.taxonomy.taxonomy import load_taxonomy
from dagster_project.training_set.build import gather_pictures, load_training_set

log = logging.getLogger("raytruth")
_NEIGHBOURS = 3
_SIDE = 256
_RULES = {
    "code": "by its SNOMED CT code",
    "retired_code": "by a code since replaced",
    "term": "by the DICOM defined term",
    "retired_term": "by a term since replaced",
    "synonym": "by the word",
    "review": "said by a reviewer",
}


@dataclass(frozen=True)
class WorklistSummary:
    """How many cards, by kind, and where the page is."""

    cards: int
    kinds: dict[str, int]
    page: Path


def build_worklist(layout: Layout, params: Params) -> WorklistSummary:
    """Write `data/reports/worklist/index.html` with its pictures: the most suspicious labels not reviewed yet.

    The page needs no server; the browser keeps the answers and saves them as CSV, which `raytruth review --verdicts`
    reads.
    """
    ranked = load_label_errors(layout)
    suspects = ranked[ranked["kind"] != "none"].head(params.label_errors.worklist_length)
    table = load_training_set(layout)
    regions = load_taxonomy(layout.root / params.regions).regions
    cards = _cards(suspects, table, load_embeddings(layout, "encoder_simclr", len(table)))
    with replacing_dir(layout.worklist) as folder:
        _save_pictures(layout, folder / "pictures", table, cards)
        page = _template().render(
            cards=cards,
            regions=regions,
            kinds=suspects["kind"].value_counts().to_dict(),
            data=content_hash(layout.label_errors),
        )
        (folder / "index.html").write_text(page, encoding="utf-8")
    kinds = {str(kind): int(n) for kind, n in suspects["kind"].value_counts().items()}
    log.info("worklist: %d cards", len(cards))
    return WorklistSummary(len(cards), kinds, layout.worklist / "index.html")


def _cards(suspects: pd.DataFrame, table: pd.DataFrame, embeddings: np.ndarray) -> list[dict[str, Any]]:
    place = pd.Series(np.arange(len(table)), index=table["image_id"])
    cards = []
    for suspect in suspects.to_dict("records"):
        row = int(place[suspect["image_id"]])
        picture = table.iloc[row]
        given = suspect["given_region"] if isinstance(suspect["given_region"], str) else ""
        same_study = table.index[(table["study"] == picture["study"]) & (table.index != row)]
        copies = table.index[(table["near_duplicate_group"] == picture["near_duplicate_group"]) & (table.index != row)]
        cards.append(
            {
                **{str(name): value for name, value in suspect.items()},
                "given_region": given,
                "provenance": provenance(picture),
                "near_given": _nearest(table, embeddings, row, given),
                "near_suggested": _nearest(table, embeddings, row, suspect["suggested_region"]),
                "study": table["image_id"].iloc[same_study[:4]].tolist(),
                "copies": [
                    {"image_id": table["image_id"].iloc[i], "region": table["region"].iloc[i]} for i in copies[:4]
                ],
            }
        )
    return cards


def provenance(picture: pd.Series) -> str:
    """Where a picture's given label comes from, in words: attribute, rule, matched word, conflict."""
    if not picture["label_attribute"]:
        return {"absent": "no attribute names a region"}.get(picture["label_status"], "")
    rule = _RULES.get(
        picture["label_rule"], "no known word" if picture["label_status"] == "unmapped" else "several regions"
    )
    said = f"{picture['label_attribute']}, {rule} {picture['label_matched']}".strip()
    if picture["label_conflict"]:
        other = picture["label_conflict_region"]
        said += f"; {picture['label_conflict']} says {other if isinstance(other, str) else 'a region of no class'}"
    return said


def _nearest(table: pd.DataFrame, embeddings: np.ndarray, row: int, region: str) -> list[str]:
    """Ids of the nearest pictures of other patients that bear `region`'s label (cosine)."""
    if not region:
        return []
    bears, group = table["region"].to_numpy(object) == region, table["group"].to_numpy(object)
    bear = np.flatnonzero(bears & (group != group[row]))
    if not len(bear):
        return []
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(bear)), metric="cosine").fit(embeddings[bear])
    near = bear[search.kneighbors(embeddings[row : row + 1], return_distance=False)[0]]
    return table["image_id"].iloc[near].tolist()


def _save_pictures(layout: Layout, folder: Path, table: pd.DataFrame, cards: list[dict[str, Any]]) -> None:
    folder.mkdir()
    wanted: set[str] = set()
    for card in cards:
        wanted |= {card["image_id"], *card["near_given"], *card["near_suggested"], *card["study"]}
        wanted |= {copy["image_id"] for copy in card["copies"]}
    rows = table[table["image_id"].isin(wanted)]
    pictures = gather_pictures(layout, rows, _SIDE) if wanted else np.empty((0, _SIDE, _SIDE), np.uint8)
    for image_id, picture in track(zip(rows["image_id"], pictures, strict=True), len(rows), "writing pictures"):
        Image.fromarray(picture).save(folder / f"{image_id}.jpg", quality=88)


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(default=True), trim_blocks=True
    )
    return environment.get_template("worklist.html.j2")
