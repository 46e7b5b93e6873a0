"""Who reviewed what: the images that a reviewer still gets, the errors found, and the agreement between reviewers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from math import isnan

import pandas as pd

from dagster_project.core.ledger import current_verdicts
from dagster_project.core.verdict_kinds import DECIDING, ERRORS, KINDS, VerdictKind


def latest_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The latest current verdict of each reviewer on each image, oldest first.

    The column `outcome` makes verdicts comparable: the region or regions of the image after it, or the verdict's name.
    """
    table = current_verdicts(verdicts).drop_duplicates(["image_id", "reviewer"], keep="last")
    columns = (table["verdict"], table["given_region"], table["region"])
    outcome = [_outcome(KINDS[kind], given, region) for kind, given, region in zip(*columns, strict=True)]
    return table.assign(outcome=outcome)


def _outcome(kind: VerdictKind, given: str, region: str) -> str:
    if kind.traits.keeps_given:
        return f"{given}+{region}" if kind.traits.needs_region else given
    return region or kind.value


def open_images(latest: pd.DataFrame, image_ids: Iterable[str], reviewer: str, second_share: float) -> list[str]:
    """The ones of `image_ids`, in their order, that this reviewer should review. `latest` are `latest_verdicts`.

    Nobody reviews an image twice. A second reviewer gets `second_share` (0..1) of all images, chosen by their ids, and
    those where the first reviewer could not tell or named a region that is neither the given nor the proposed one.
    Further reviewers get an image until two agree.
    """
    by_image = dict(iter(latest.groupby("image_id", sort=False)))
    return [
        image_id
        for image_id in image_ids
        if (rows := by_image.get(image_id)) is None
        or (reviewer not in set(rows["reviewer"]) and not _settled(rows, image_id, second_share))
    ]


def count_errors(latest: pd.DataFrame, image_ids: Iterable[str]) -> tuple[int, int]:
    """How many of `image_ids` are decided, and how many of their labels are wrong, by the latest deciding verdict."""
    decided = latest[latest["image_id"].isin(set(image_ids)) & latest["verdict"].isin(DECIDING)]
    decided = decided.drop_duplicates("image_id", keep="last")
    return len(decided), int(decided["verdict"].isin(ERRORS).sum())


def kappas(latest: pd.DataFrame) -> list[dict[str, object]]:
    """Cohen's kappa of each pair of reviewers over the images that both reviewed; None where it is not defined.

    1 means full agreement, 0 as much agreement as by chance (Cohen 1960).
    """
    outcomes = latest.pivot(index="image_id", columns="reviewer", values="outcome") if len(latest) else pd.DataFrame()
    out: list[dict[str, object]] = []
    for pair in combinations(sorted(outcomes.columns), 2):
        both = outcomes[list(pair)].dropna()
        if len(both):
            out.append({"reviewers": list(pair), "images": len(both), "kappa": _kappa(*both.to_numpy(str).T)})
    return out


def _kappa(one: Iterable[str], other: Iterable[str]) -> float | None:
    from sklearn.metrics import cohen_kappa_score  # a second to import, and most sites have one reviewer

    kappa = float(cohen_kappa_score(list(one), list(other))) if len({*one, *other}) > 1 else float("nan")
    return None if isnan(kappa) else round(kappa, 3)


def _settled(rows: pd.DataFrame, image_id: str, second_share: float) -> bool:
    votes = Counter(rows.loc[rows["verdict"].isin(DECIDING), "outcome"])
    if len(rows) > 1 or not votes:
        return max(votes.values(), default=0) > 1
    first = rows.iloc[0]
    third_region = first["verdict"] in ERRORS and first["region"] not in ("", first["proposed_region"])
    return not third_region and _chosen(image_id) >= second_share


def _chosen(image_id: str) -> float:
    """A number in 0..1 that belongs to the image: the same images are chosen at every start."""
    return int(hashlib.sha256(f"second reading {image_id}".encode()).hexdigest()[:8], 16) / 2**32
