"""Who read what: whose reading an image still wants, what was found, and how far readers agree."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from math import isnan

import pandas as pd

from dagster_project.core.ledger import standing

UNDECIDED = "cannot_tell"
ERRORS = ("wrong_label", "out_of_domain")  # verdicts by which the given label was wrong


def readings(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The last standing verdict an image and reviewer, oldest first.

    `said` makes them comparable: the region that the image has after it, both regions, or the verdict's name.
    """
    table = standing(verdicts).drop_duplicates(["image_id", "reviewer"], keep="last")
    said = [
        given if verdict == "given_is_right" else f"{given}+{region}" if verdict == "two_regions" else region or verdict
        for verdict, given, region in zip(table["verdict"], table["given_region"], table["region"], strict=True)
    ]
    return table.assign(said=said)


def wanting(read: pd.DataFrame, image_ids: Iterable[str], reviewer: str, second_share: float) -> list[str]:
    """Which of `image_ids`, in their order, this reviewer should read.

    Nobody reads an image twice. A second reader is asked for `second_share` (0..1) of all images, drawn by their
    ids, and where the first could not tell or named a region that is neither the given nor the proposed one; further
    readers until two agree.
    """
    by_image = dict(iter(read.groupby("image_id", sort=False)))
    return [
        image_id
        for image_id in image_ids
        if (rows := by_image.get(image_id)) is None
        or (reviewer not in set(rows["reviewer"]) and not _settled(rows, image_id, second_share))
    ]


def found(read: pd.DataFrame, image_ids: Iterable[str]) -> tuple[int, int]:
    """How many of `image_ids` were decided, and how many of their labels were wrong, by the latest word on each."""
    mine = read[read["image_id"].isin(set(image_ids)) & (read["verdict"] != UNDECIDED)]
    latest = mine.drop_duplicates("image_id", keep="last")
    return len(latest), int(latest["verdict"].isin(ERRORS).sum())


def agreement(read: pd.DataFrame) -> list[dict[str, object]]:
    """Cohen's kappa a pair of reviewers over the images that both read; None where it is not defined.

    It is 1 for full agreement, 0 for as much as by chance (Cohen 1960).
    """
    said = read.pivot(index="image_id", columns="reviewer", values="said") if len(read) else pd.DataFrame()
    out: list[dict[str, object]] = []
    for pair in combinations(sorted(said.columns), 2):
        both = said[list(pair)].dropna()
        if len(both):
            out.append({"reviewers": list(pair), "images": len(both), "kappa": _kappa(*both.to_numpy(str).T)})
    return out


def _kappa(one: Iterable[str], other: Iterable[str]) -> float | None:
    from sklearn.metrics import cohen_kappa_score  # a second to import, and most sites have one reader

    kappa = float(cohen_kappa_score(list(one), list(other))) if len({*one, *other}) > 1 else float("nan")
    return None if isnan(kappa) else round(kappa, 3)


def _settled(rows: pd.DataFrame, image_id: str, second_share: float) -> bool:
    votes = Counter(rows.loc[rows["verdict"] != UNDECIDED, "said"])
    if len(rows) > 1 or not votes:
        return max(votes.values(), default=0) > 1
    first = rows.iloc[0]
    third_region = first["verdict"] == "wrong_label" and first["region"] != first["proposed_region"]
    return not third_region and _drawn(image_id) >= second_share


def _drawn(image_id: str) -> float:
    """A number in 0..1 that belongs to the image: the same images are drawn at every start."""
    return int(hashlib.sha256(f"second reading {image_id}".encode()).hexdigest()[:8], 16) / 2**32
