"""The worklist: one card a suspicious label, with all that a reviewer needs to answer by one key.

Made ahead, so that `raytruth review` serves it at once, without the learning libraries.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from dagster_project.core.atomic_io import content_hash, replacing_dir, write_json
from dagster_project.core.ledger import load_verdicts, standing
from dagster_project.core.paths import Paths
from dagster_project.core.progress import track
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.label_errors.out_of_fold import judging_encoders
from dagster_project.label_quality.review.cards import CARDS, IMAGES
from dagster_project.label_quality.review.reader_assignment import readings, wanting
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.pretraining.methods_on import reference_encoder

log = logging.getLogger("raytruth")
_NEIGHBOURS = 3
_BESIDE = 4  # most images shown of a study, or of copies
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
    """How many cards, by kind."""

    cards: int
    kinds: dict[str, int]


def build_worklist(root: Root) -> WorklistSummary:
    """Write `data/reports/worklist/`: cards of the most suspicious labels not reviewed yet, and their images.

    What a second or third reader is still asked for stays in the list, at its end, as the first reader saw it.
    """
    ranked = load_label_errors(root.paths)
    suspects = ranked[ranked["kind"] != "none"].head(root.settings.label_errors.worklist_length)
    suspects = pd.concat([suspects, _unsettled(root, ranked[~ranked["image_id"].isin(suspects["image_id"])])])
    table = load_training_set(root.paths)
    cards = cards_of(suspects, table, load_embeddings(root.paths, reference_encoder(root.settings), len(table)))
    write_cards(root, root.paths.worklist, table, cards)
    kinds = {str(kind): int(n) for kind, n in suspects["kind"].value_counts().items()}
    log.info("worklist: %d cards", len(cards))
    return WorklistSummary(len(cards), kinds)


def write_cards(root: Root, into: Path, table: pd.DataFrame, cards: list[dict[str, Any]], **more: str) -> None:
    """Make the folder `into` of cards, what they come from, `more` to be known of them, and all their images."""
    shown = {"model": judges_hash(root), "data_version": content_hash(root.paths.training_set), **more, "cards": cards}
    with replacing_dir(into) as folder:
        _save_images(root.paths, folder / IMAGES, table, cards)
        write_json(folder / CARDS, shown)


def _unsettled(root: Root, ranked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `ranked` that were read but want another reader, with the labels that were read; in the list's order.

    Not what was read in a random sample: a second reader reads it there, as unprejudiced as the first.
    """
    verdicts = standing(load_verdicts(root.paths))
    read = readings(verdicts[~verdicts["image_id"].isin(verdicts.loc[verdicts["sample"] != "", "image_id"])])
    read = read[read["image_id"].isin(ranked["image_id"])]
    wanted = wanting(read, read["image_id"].unique(), "", root.settings.review.second_reading)
    first = read.drop_duplicates("image_id").set_index("image_id").loc[wanted]
    out = ranked[ranked["image_id"].isin(wanted)].copy()
    out["given_region"] = out["image_id"].map(first["given_region"])
    out["suggested_region"] = out["image_id"].map(first["proposed_region"])
    return out.assign(kind="second_reading")


def judges_hash(root: Root) -> str:
    """One hash for the encoders on which the opinions rest that the cards show."""
    hashes = [content_hash(root.paths.encoder(name)) for name in judging_encoders(root.settings)]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def cards_of(suspects: pd.DataFrame, table: pd.DataFrame, embeddings: np.ndarray) -> list[dict[str, Any]]:
    """A card for each of `suspects`, rows of the ranked list; `table` is the training set, `embeddings` its rows'."""
    place = pd.Series(np.arange(len(table)), index=table["image_id"])
    cards = []
    for suspect in suspects.to_dict("records"):
        row = int(place[suspect["image_id"]])
        image = table.iloc[row]
        given, proposed = suspect["given_region"] or "", suspect["suggested_region"]
        near = {
            f"nearest labelled {_words(region)}": nearest(table, embeddings, row, region)
            for region in (given, proposed)
            if region
        }
        others = table.index != row
        same_study = table[(table["study"] == image["study"]) & others]
        copies = table[(table["near_duplicate_group"] == image["near_duplicate_group"]) & others]
        beside = {**near, "other images of the study": same_study, "copies": copies}
        cards.append(
            {
                **{name: suspect[name] for name in ("image_id", "kind", "rank")},
                **{name: round(float(suspect[name]), 4) for name in ("score", "confidence", "agreement", "unusual")},
                "batch": image["batch"],
                "given": given,
                "proposed": proposed,
                "provenance": provenance(image),
                "beside": [
                    {"title": title, "images": _labelled(rows.head(_BESIDE))}
                    for title, rows in beside.items()
                    if len(rows)
                ],
            }
        )
    return cards


def _labelled(rows: pd.DataFrame) -> list[dict[str, str]]:
    return [{"image_id": i, "region": r or ""} for i, r in zip(rows["image_id"], rows["region"], strict=True)]


def _words(region: str) -> str:
    return region.replace("_", " ")


def provenance(image: pd.Series) -> str:
    """Where an image's given label comes from, in words: attribute, rule, matched word, conflict."""
    if not image["label_attribute"]:
        return {"absent": "no attribute names a region"}.get(image["label_status"], "")
    rule = _RULES.get(
        image["label_rule"], "no known word" if image["label_status"] == "unmapped" else "several regions"
    )
    said = f"{image['label_attribute']}, {rule} {image['label_matched']}".strip()
    if image["label_conflict"]:
        other = image["label_conflict_region"]
        said += f"; {image['label_conflict']} says {other if isinstance(other, str) else 'a region of no class'}"
    return said


def nearest(table: pd.DataFrame, embeddings: np.ndarray, row: int, region: str) -> pd.DataFrame:
    """The nearest images of other patients that bear `region`'s label (cosine), nearest first."""
    bears, group = table["region"].to_numpy(object) == region, table["group"].to_numpy(object)
    bear = np.flatnonzero(bears & (group != group[row]))
    if not len(bear):
        return table.head(0)
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(bear)), metric="cosine").fit(embeddings[bear])
    return table.iloc[bear[search.kneighbors(embeddings[row : row + 1], return_distance=False)[0]]]


def _save_images(paths: Paths, folder: Path, table: pd.DataFrame, cards: list[dict[str, Any]]) -> None:
    folder.mkdir()
    wanted = {card["image_id"] for card in cards}
    wanted |= {other["image_id"] for card in cards for group in card["beside"] for other in group["images"]}
    rows = table[table["image_id"].isin(wanted)]
    images = gather_images(paths, rows, _SIDE) if wanted else np.empty((0, _SIDE, _SIDE), np.uint8)
    for image_id, image in track(zip(rows["image_id"], images, strict=True), len(rows), "writing images"):
        Image.fromarray(image).save(folder / f"{image_id}.jpg", quality=88)
