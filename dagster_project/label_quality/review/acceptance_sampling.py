"""Acceptance sampling: the share of wrong labels in all images outside the worklist, estimated by a random sample.

The ranked list does not show how many errors remain in the images that nobody reviews. A simple random sample does,
however good or bad the models are. Its verdicts carry the mark of the draw in the ledger, so the ledger holds all data
for the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from dagster_project.core.ledger import current_verdicts
from dagster_project.label_quality.review.reader_assignment import count_errors, latest_verdicts


@dataclass(frozen=True)
class Draw:
    """`drawn` images out of `population`, by `seed`; `digest` identifies the population."""

    seed: int
    drawn: int
    population: int
    digest: str

    @property
    def mark(self) -> str:
        """Its name in the ledger."""
        return f"{self.seed}/{self.drawn}/{self.population}/{self.digest}"


@dataclass(frozen=True)
class Estimate:
    """The `decided` images of a draw, the `wrong` labels among them, and the estimate for the whole population.

    `rate` (0..1) is the share of wrong labels in the population, `left` the number of wrong labels among the images
    that the sample did not decide; each with a 95 % interval (Clopper & Pearson 1934), which holds if no image was
    skipped because of its content. `undetermined` images count as right in the lower bound and as wrong in the upper
    bound, because images that reviewers cannot tell are wrong more often.
    """

    mark: str
    seed: int
    drawn: int
    population: int
    decided: int
    undetermined: int
    wrong: int
    rate: float
    rate_low: float
    rate_high: float
    left: float
    left_low: float
    left_high: float


def draw_of(mark: str) -> Draw:
    """The draw with this mark in the ledger."""
    seed, drawn, population, digest = mark.split("/")
    return Draw(int(seed), int(drawn), int(population), digest)


def verdicts_on_list(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The current entries that count for the ranked list, oldest first.

    Entries about images first reviewed in a random sample are left out, and entries about missing labels, which were
    not wrong.
    """
    current = current_verdicts(verdicts)
    in_list = current.groupby("image_id")["sample"].transform("first") == ""
    return current[in_list & (current["given_region"] != "")]


def estimates(verdicts: pd.DataFrame) -> list[Estimate]:
    """One estimate for each draw with a decided image, the earliest first. `verdicts` are entries of the ledger."""
    current = current_verdicts(verdicts)
    out = []
    for mark in current["sample"].unique():
        latest = latest_verdicts(current[current["sample"] == mark])
        decided, wrong = count_errors(latest, latest["image_id"])
        if mark and decided:
            out.append(_estimate(draw_of(mark), decided, latest["image_id"].nunique() - decided, wrong))
    return out


def _estimate(draw: Draw, decided: int, undetermined: int, wrong: int) -> Estimate:
    from scipy.stats import binomtest  # half a second to import, and most starts of the page need none

    reviewed = decided + undetermined
    low = binomtest(wrong, reviewed).proportion_ci(method="exact").low
    high = binomtest(wrong + undetermined, reviewed).proportion_ci(method="exact").high
    rates = [wrong / decided, low, high]
    unknown = draw.population - decided
    left = [min(max(draw.population * rate - wrong, 0.0), float(unknown)) for rate in rates]
    named = (draw.mark, draw.seed, draw.drawn, draw.population)
    return Estimate(*named, decided, undetermined, wrong, *map(float, rates), *map(float, left))
