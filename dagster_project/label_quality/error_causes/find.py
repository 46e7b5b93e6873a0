"""The stage: causes of wrong labels, one group of images and one sentence each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dagster_project.core.atomic_io import write_rows
from dagster_project.core.paths import Paths
from dagster_project.label_quality.error_causes.evidence import (
    FACTORS,
    PAIRS,
    PRIVATE_FACTORS,
    PRIVATE_PAIRS,
    error_evidence,
    with_private_factors,
)
from dagster_project.label_quality.error_causes.groups import GIVEN, SHOWN, Group, Images
from dagster_project.label_quality.error_causes.mining import mine, rates
from dagster_project.label_quality.error_causes.tables import ERROR_CAUSES, PRIVATE_ERROR_CAUSES
from dagster_project.label_quality.label_errors.find import load_label_errors

log = logging.getLogger("raytruth")
_NAMES = {
    "station": "station {}",
    "device": "device {}",
    "batch": "batch {}",
    "attribute": "attribute {}",
    "word": "entry “{}”",
    "protocol": "protocol “{}”",
    "month": "month {}",
    GIVEN: "label *{}*",
}


@dataclass(frozen=True)
class CauseSummary:
    """The causes, the number of tested groups, and the number of causes in `data/private/error_causes.parquet`."""

    causes: pd.DataFrame
    tested: int
    private: int


def find_causes(paths: Paths) -> CauseSummary:
    """Mine the ranked list for causes; write `data/error_causes.parquet`, the most significant first.

    Groups of protocol texts and true months may identify a patient: they go to `data/private/error_causes.parquet`.
    Raises RayTruthError if there is no ranked list.
    """
    table = error_evidence(paths, load_label_errors(paths))
    causes, tested = _mined(table, FACTORS, PAIRS)
    write_rows(paths.error_causes, causes, ERROR_CAUSES)
    more, private = with_private_factors(paths, table), 0
    if more is not None:
        found, _ = _mined(more, PRIVATE_FACTORS, PRIVATE_PAIRS)
        write_rows(paths.private_error_causes, found, PRIVATE_ERROR_CAUSES)
        private = len(found)
    log.info("error causes: %d among %d tested groups, %d more in data/private", len(causes), tested, private)
    return CauseSummary(causes, tested, private)


def _mined(table: pd.DataFrame, factors: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[pd.DataFrame, int]:
    """One row for each cause, and the number of tested groups."""
    images = Images(table, [*factors, *(factor for pair in pairs for factor in pair)])
    groups = images.groups(factors, pairs)
    rows = [_row(table, images, group) for group in mine(images, groups)]
    return pd.DataFrame(rows, columns=list(ERROR_CAUSES.types)).astype(ERROR_CAUSES.types), len(groups)


def _row(table: pd.DataFrame, images: Images, group: Group) -> dict[str, Any]:
    inside = images.inside(group)
    mine = table[inside].assign(probability=images.errors(group)[inside])
    mine = mine.sort_values(["probability", "image_id"], ascending=[False, True])
    expected = float(mine["probability"].sum())
    rate, baseline = rates(images, group)
    given, shown, typical = _typical(mine)
    row = {
        "factor": " x ".join(group.factors),
        "group": group.name,
        "equivalent_groups": "; ".join(group.equivalent_groups),
        "images": len(mine),
        "patients": mine["patient_group"].nunique(),
        "expected_errors": expected,
        "error_rate": rate,
        "baseline_rate": baseline,
        "p_value": group.p,
        "q_value": group.q,
        GIVEN: given,
        SHOWN: shown,
        "typical_errors": typical,
        "reviewed": int(mine["reviewed"].sum()),
        "found_wrong": int((mine["reviewed"] & (mine["probability"] == 1)).sum()),
        "image_ids": mine["image_id"].head(max(round(expected), 1)).tolist(),
    }
    return row | {"cause": _sentence(group, row)}


def _typical(mine: pd.DataFrame) -> tuple[str, str, float]:
    """The most frequent pair of given and shown region among the expected errors, and its expected number."""
    wrong = mine[mine[SHOWN] != mine[GIVEN]]
    pairs = wrong.groupby([GIVEN, SHOWN], sort=True)["probability"].sum()
    if pairs.empty:
        return "", "", 0.0
    given, shown = pairs.index[int(pairs.to_numpy().argmax())]
    return str(given), str(shown), float(pairs.max())


def _sentence(group: Group, row: dict[str, Any]) -> str:
    given, shown = _words(row[GIVEN]), _words(row[SHOWN])
    named = dict(zip(group.factors, group.levels, strict=True))
    confused = SHOWN in named
    named = {factor: level for factor, level in named.items() if factor != SHOWN and not (confused and factor == GIVEN)}
    levels = {factor: _words(level) if factor == GIVEN else level for factor, level in named.items()}
    who = " with ".join(_NAMES[factor].format(level) for factor, level in levels.items())
    who = who[0].upper() + who[1:]
    errors = f"about {row['expected_errors']:.0f} of {row['images']}"
    how_often = f"({100 * row['error_rate']:.0f} %, against {100 * row['baseline_rate']:.0f} % in comparable groups)"
    if confused:
        images = f"{shown} images" if shown else "images of none of the regions"
        return f"{who} labels {images} as *{given}*: {errors} are wrong {how_often}."
    pair = f" The most frequent error is *{given}* on images of {shown or 'none of the regions'}." if given else ""
    return f"{who}: {errors} labels are wrong {how_often}.{pair}"


def _words(region: str) -> str:
    return region.replace("_", " ")
