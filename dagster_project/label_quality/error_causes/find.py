"""The stage: why labels are wrong, group by group, each in a sentence with the images behind it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.errors import RayTruthError
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
from dagster_project.label_quality.label_errors.find import load_label_errors

log = logging.getLogger("raytruth")
_TYPES = {
    "cause": "string",
    "factor": "string",
    "group": "string",
    "also": "string",
    "images": "int32",
    "patients": "int32",
    "expected_errors": "float32",
    "error_rate": "float32",
    "rate_elsewhere": "float32",
    "p_value": "float64",
    "q_value": "float64",
    "given_region": "string",
    "shown_region": "string",
    "typical_errors": "float32",
    "read": "int32",
    "found_wrong": "int32",
    "image_ids": "object",
}
_NAMES = {
    "station": "Station {}",
    "device": "The device {}",
    "batch": "The batch {}",
    "attribute": "The attribute {}",
    "word": "The entry {}",
    "protocol": "The protocol “{}”",
    "month": "The month {}",
}


@dataclass(frozen=True)
class CauseSummary:
    """The causes found, how many groups were tested, and how many more causes `data/private/causes.parquet` names."""

    causes: pd.DataFrame
    tested: int
    private: int


def find_causes(paths: Paths) -> CauseSummary:
    """Mine the ranked list for causes; write `data/causes.parquet`, the surest first.

    Groups of protocol texts and true months go to `data/private/causes.parquet` instead: they may identify somebody.
    Raises RayTruthError if there is no ranked list.
    """
    table = error_evidence(paths, load_label_errors(paths))
    causes, tested = _mined(table, FACTORS, PAIRS)
    write_table(paths.causes, causes)
    more, private = with_private_factors(paths, table), 0
    if more is not None:
        found, _ = _mined(more, PRIVATE_FACTORS, PRIVATE_PAIRS)
        write_table(paths.private_causes, found)
        private = len(found)
    log.info("causes: %d of %d groups tested, %d more in data/private", len(causes), tested, private)
    return CauseSummary(causes, tested, private)


def load_causes(paths: Paths) -> pd.DataFrame:
    """The causes as last found. Raises RayTruthError if they have not been looked for."""
    if not paths.causes.exists():
        raise RayTruthError(
            "Causes of label errors have not been looked for", where="data/causes.parquet", do="run `raytruth causes`"
        )
    return read_table(paths.causes)


def _mined(table: pd.DataFrame, factors: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[pd.DataFrame, int]:
    """One row a cause, and how many groups were tested."""
    images = Images(table, [*factors, *(factor for pair in pairs for factor in pair)])
    groups = images.groups(factors, pairs)
    rows = [_row(table, images, group) for group in mine(images, groups)]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES), len(groups)


def _row(table: pd.DataFrame, images: Images, group: Group) -> dict[str, object]:
    inside = images.inside(group)
    mine = table[inside].assign(probability=images.errors(group)[inside])
    mine = mine.sort_values(["probability", "image_id"], ascending=[False, True])
    expected = float(mine["probability"].sum())
    rate, elsewhere = rates(images, group)
    given, shown, typical = _typical(mine)
    row = {
        "factor": " x ".join(group.factors),
        "group": group.name,
        "also": "; ".join(group.also),
        "images": len(mine),
        "patients": mine["patient"].nunique(),
        "expected_errors": expected,
        "error_rate": rate,
        "rate_elsewhere": elsewhere,
        "p_value": group.p,
        "q_value": group.q,
        GIVEN: given,
        SHOWN: shown,
        "typical_errors": typical,
        "read": int(mine["read"].sum()),
        "found_wrong": int((mine["read"] & (mine["probability"] == 1)).sum()),
        "image_ids": mine["image_id"].head(max(round(expected), 1)).tolist(),
    }
    return row | {"cause": _sentence(group, row)}


def _typical(mine: pd.DataFrame) -> tuple[str, str, float]:
    """The most frequent pair of given and shown region among the expected errors, and how many errors it makes up."""
    wrong = mine[mine[SHOWN] != mine[GIVEN]]
    pairs = wrong.groupby([GIVEN, SHOWN], sort=True)["probability"].sum()
    if pairs.empty:
        return "", "", 0.0
    given, shown = pairs.index[int(pairs.to_numpy().argmax())]
    return str(given), str(shown), float(pairs.max())


def _sentence(group: Group, row: dict[str, object]) -> str:
    given, shown = _words(row[GIVEN]), _words(row[SHOWN]) or "none of the regions"
    named = dict(zip(group.factors, group.levels, strict=True))
    label, confused = named.pop(GIVEN, ""), SHOWN in named
    named.pop(SHOWN, "")
    who = " and ".join(_NAMES[factor].format(level) for factor, level in named.items())
    wrong = (
        f"about {row['expected_errors']:.0f} of {row['images']} labels are wrong "
        f"({row['error_rate']:.0%}; {row['rate_elsewhere']:.0%} of comparable ones elsewhere)"
    )
    if confused:
        return f"{who} makes {_words(label)} of {shown}: {wrong}"
    who = " and ".join(filter(None, [who, label and f"the label {_words(label)}"]))
    pair = f"most often {given} where {shown} is shown" if given else "of no region more than of others"
    return f"{who[0].upper()}{who[1:]}: {wrong}, {pair}"


def _words(region: object) -> str:
    return str(region).replace("_", " ")
