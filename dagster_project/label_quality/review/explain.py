"""Everything known about one image and its flag, with pseudonyms only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import content_hash, read_json, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import current_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.intake.ingestion.headers.reasons import WARN
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.label_errors.oof_predictions import oof_predictions_of
from dagster_project.label_quality.review.worklist import model_version_of, nearest, provenance
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.pretraining.methods_on import similarity_encoder

_HEADER = ("modality", "station", "manufacturer", "model", "view_position", "laterality", "rows", "columns")
_LABEL = ("label_attribute", "label_rule", "label_matched", "label_status", "label_conflict", "label_conflict_region")


def explain(root: Root, image_id: str) -> dict[str, Any]:
    """Everything known about an image and its flag, ready for JSON; without identities and free text.

    Raises RayTruthError if the image is unknown or there is no ranked list yet.
    """
    paths = root.paths
    ranked, table = load_label_errors(paths), load_training_set(paths)
    at = np.flatnonzero((table["image_id"] == image_id).to_numpy())
    flagged = ranked[ranked["image_id"] == image_id]
    if not len(at) or flagged.empty:
        raise _unknown(image_id, known=bool(len(at)))
    row, image, flag = int(at[0]), table.iloc[int(at[0])], flagged.iloc[0]
    header = load_headers(paths, image["batch"]).set_index("image_id").loc[image_id]
    given, proposed = flag["given_region"] or "", flag["proposed_region"] or ""
    return {
        "image_id": image_id,
        "batch": image["batch"],
        "split": image["split"],
        "label": {
            "given_region": given,
            "provenance": provenance(image),
            "reviewed": bool(image["reviewed"]),
            "header_region": header["header_region"] or "",
            **{name: header[name] or "" for name in _LABEL},
        },
        "flag": {**{name: _plain(value) for name, value in flag.drop("image_id").items()}, "of": len(ranked)},
        "oof_predictions": {
            model: {region: round(p, 4) for region, p in sorted(predicted.items(), key=lambda item: -item[1])}
            for model, predicted in oof_predictions_of(paths, image_id).items()
        },
        "comparison": _comparison(root, table, row, dict.fromkeys(region for region in (given, proposed) if region)),
        "header": {
            **{name: _plain(header[name]) for name in _HEADER},
            "verdict": "accept_warn" if header["warnings"] else "accept",
            "warnings": {reason: WARN.get(reason, "") for reason in (header["warnings"] or "").split(";") if reason},
        },
        "causes": _causes(paths, image_id),
        "verdicts": _verdicts(paths, image_id),
        "versions": _versions(root),
    }


def _unknown(image_id: str, *, known: bool) -> RayTruthError:
    if known:
        return RayTruthError(
            "The ranked list does not contain this image, because it belongs to another training set",
            where=f"image {image_id}",
            do="run `raytruth find-errors`",
        )
    return RayTruthError(
        "The training set has no image with this id",
        where=f"image {image_id[:64]}",
        do="use an image_id from data/label_errors.parquet or the review page; its batch may be blocked or removed",
    )


def _comparison(root: Root, table: pd.DataFrame, row: int, regions: dict[str, None]) -> dict[str, list[dict[str, str]]]:
    embeddings = load_embeddings(root.paths, similarity_encoder(root.settings), len(table))
    image, others = table.iloc[row], np.arange(len(table)) != row
    groups = {f"nearest images labelled {region}": nearest(table, embeddings, row, region) for region in regions}
    groups["other images of the study"] = table[(table["study"] == image["study"]) & others]
    groups["near-duplicates"] = table[(table["near_duplicate_group"] == image["near_duplicate_group"]) & others]
    return {
        title: [{"image_id": i, "region": r or ""} for i, r in zip(rows["image_id"], rows["region"], strict=True)]
        for title, rows in groups.items()
    }


def _causes(paths: Paths, image_id: str) -> list[str]:
    """The causes that name the image, without the private ones."""
    if not paths.error_causes.exists():
        return []
    causes = read_table(paths.error_causes)
    return [cause for cause, ids in zip(causes["cause"], causes["image_ids"], strict=True) if image_id in set(ids)]


def _verdicts(paths: Paths, image_id: str) -> list[dict[str, Any]]:
    """Oldest first; `current` is False for retracted verdicts."""
    verdicts = load_verdicts(paths)
    current = set(current_verdicts(verdicts)["verdict_id"])
    mine = verdicts[verdicts["image_id"] == image_id]
    columns = [
        "at",
        "reviewer",
        "verdict",
        "region",
        "given_region",
        "proposed_region",
        "model_version",
        "data_version",
    ]
    return [
        {str(name): value for name, value in row.items()} | {"current": i in current}
        for row, i in zip(mine[columns].to_dict("records"), mine["verdict_id"], strict=True)
    ]


def _versions(root: Root) -> dict[str, str]:
    paths = root.paths
    champion = read_json(paths.champion)["model"] if paths.champion.exists() else ""
    return {
        "training_set": content_hash(paths.training_set),
        "label_errors": content_hash(paths.label_errors),
        "out_of_fold_models": model_version_of(root),
        "champion": champion,
    }


def _plain(value: Any) -> Any:
    """A table cell for JSON: numbers rounded, '' for an empty text, None for a missing number."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value if value is not None else ""
