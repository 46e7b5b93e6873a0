"""The worklist: one card for each suspicious label, with everything that a reviewer needs to answer.

It is written in advance, so that `raytruth review` starts at once, without the learning libraries.
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
from dagster_project.core.ledger import current_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.progress import track
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.label_errors.out_of_fold import oof_encoders
from dagster_project.label_quality.review.cards import CARDS, IMAGES, SCHEMA
from dagster_project.label_quality.review.reader_assignment import latest_verdicts, open_images
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.visible_regions import visible_from_text
from dagster_project.learning.pretraining.methods_on import similarity_encoder

log = logging.getLogger("raytruth")
_NEIGHBOURS = 3
_NUMBERS = ("error_probability", "confidence", "model_agreement", "neighbourhood_noise")
_SHOWN = 4  # at most so many images of a study, or of near-duplicates
_IMAGE_SIZE = 256  # px
_RULES = {
    "code": "by the SNOMED CT code",
    "retired_code": "by the retired code",
    "term": "by the DICOM defined term",
    "retired_term": "by the retired term",
    "synonym": "by the word",
    "review": "by a reviewer",
}


@dataclass(frozen=True)
class WorklistSummary:
    """The number of cards, in total and by kind."""

    cards: int
    kinds: dict[str, int]


def build_worklist(root: Root) -> WorklistSummary:
    """Write `data/reports/worklist/`: cards of the most suspicious unreviewed labels, and their images.

    Images that wait for a second or third reviewer stay in the list, at its end, as the first reviewer saw them.
    """
    ranked = load_label_errors(root.paths)
    suspects = ranked[ranked["kind"] != "none"].head(root.settings.label_errors.worklist_length)
    suspects = pd.concat([suspects, _unsettled(root, ranked[~ranked["image_id"].isin(suspects["image_id"])])])
    table = load_training_set(root.paths)
    cards = cards_of(suspects, table, load_embeddings(root.paths, similarity_encoder(root.settings), len(table)))
    write_cards(root, root.paths.worklist, table, cards)
    kinds = {str(kind): int(n) for kind, n in suspects["kind"].value_counts().items()}
    log.info("worklist: %d cards", len(cards))
    return WorklistSummary(len(cards), kinds)


def write_cards(root: Root, into: Path, table: pd.DataFrame, cards: list[dict[str, Any]], **more: str) -> None:
    """Write the folder `into`: the cards with their source versions and `more` about them, and all their images."""
    versions = {"model_version": model_version_of(root), "data_version": content_hash(root.paths.training_set)}
    with replacing_dir(into) as folder:
        _save_images(root.paths, folder / IMAGES, table, cards)
        write_json(folder / CARDS, {"schema": SCHEMA, **versions, **more, "cards": cards})


def _unsettled(root: Root, ranked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `ranked` that wait for another reviewer, with the regions that the first one saw; in the list's order.

    Images of a random sample are left out: the second reviewer gets them there, without a proposal either.
    """
    verdicts = current_verdicts(load_verdicts(root.paths))
    latest = latest_verdicts(verdicts[~verdicts["image_id"].isin(verdicts.loc[verdicts["sample"] != "", "image_id"])])
    latest = latest[latest["image_id"].isin(ranked["image_id"])]
    wanted = open_images(latest, latest["image_id"].unique(), "", root.settings.review.second_reading)
    first = latest.drop_duplicates("image_id").set_index("image_id").loc[wanted]
    out = ranked[ranked["image_id"].isin(wanted)].copy()
    out["given_region"] = out["image_id"].map(first["given_region"])
    out["proposed_region"] = out["image_id"].map(first["proposed_region"])
    return out.assign(kind="second_reading")


def model_version_of(root: Root) -> str:
    """One hash of the encoders behind the proposals on the cards."""
    hashes = [content_hash(root.paths.encoder(name)) for name in oof_encoders(root.settings)]
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def cards_of(suspects: pd.DataFrame, table: pd.DataFrame, embeddings: np.ndarray) -> list[dict[str, Any]]:
    """A card for each of `suspects`, rows of the ranked list. `table` is the training set, with `embeddings` (N, D)."""
    place = pd.Series(np.arange(len(table)), index=table["image_id"])
    cards = []
    for suspect in suspects.to_dict("records"):
        row = int(place[suspect["image_id"]])
        image = table.iloc[row]
        given, proposed = suspect["given_region"] or "", suspect["proposed_region"]
        near = {
            f"nearest images labelled {_words(region)}": nearest(table, embeddings, row, region)
            for region in (given, proposed)
            if region
        }
        others = table.index != row
        same_study = table[(table["study"] == image["study"]) & others]
        duplicates = table[(table["near_duplicate_group"] == image["near_duplicate_group"]) & others]
        comparison = {**near, "other images of the study": same_study, "near-duplicates": duplicates}
        cards.append(
            {
                **{name: suspect[name] for name in ("image_id", "kind", "rank")},
                **{name: round(float(suspect[name]), 4) for name in _NUMBERS},
                "batch": image["batch"],
                "given_region": given,
                "proposed_region": proposed,
                "visible_regions": [
                    {"region": region, "probability": probability}
                    # a list from before this column has none
                    for region, probability in visible_from_text(suspect.get("visible_regions", "")).items()
                ],
                "provenance": provenance(image),
                "comparison": [
                    {"title": title, "images": _labelled(rows.head(_SHOWN))}
                    for title, rows in comparison.items()
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
    """The source of an image's given label in words: attribute, rule, matched word, conflict."""
    if not image["label_attribute"]:
        return {"missing": "no attribute names a region"}.get(image["label_status"], "")
    rule = _RULES.get(
        image["label_rule"], "no known word" if image["label_status"] == "unmapped" else "several regions"
    )
    words = f"{image['label_attribute']}, {rule} {image['label_matched']}".strip()
    if image["label_conflict"]:
        other = image["label_conflict_region"]
        named = other if isinstance(other, str) else "a region outside the classes"
        words += f"; {image['label_conflict']} says {named}"
    return words


def nearest(table: pd.DataFrame, embeddings: np.ndarray, row: int, region: str) -> pd.DataFrame:
    """The nearest images (cosine) of other patients that are labelled `region`, nearest first."""
    same_label, group = table["region"].to_numpy(object) == region, table["patient_group"].to_numpy(object)
    rows = np.flatnonzero(same_label & (group != group[row]))
    if not len(rows):
        return table.head(0)
    search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(rows)), metric="cosine").fit(embeddings[rows])
    return table.iloc[rows[search.kneighbors(embeddings[row : row + 1], return_distance=False)[0]]]


def _save_images(paths: Paths, folder: Path, table: pd.DataFrame, cards: list[dict[str, Any]]) -> None:
    folder.mkdir()
    wanted = {card["image_id"] for card in cards}
    wanted |= {other["image_id"] for card in cards for group in card["comparison"] for other in group["images"]}
    rows = table[table["image_id"].isin(wanted)]
    images = gather_images(paths, rows, _IMAGE_SIZE) if wanted else np.empty((0, _IMAGE_SIZE, _IMAGE_SIZE), np.uint8)
    for image_id, image in track(zip(rows["image_id"], images, strict=True), len(rows), "writing images"):
        Image.fromarray(image).save(folder / f"{image_id}.jpg", quality=88)
