"""What a random sample of the images that the list leaves out says of all of them: acceptance sampling.

The ranked list cannot tell how many errors are left in what nobody reads; a simple random sample of that can, whatever
the models are worth. Its verdicts bear the draw's mark in the ledger, which holds all that the estimate needs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from dagster_project.core.ledger import standing
from dagster_project.label_quality.review.reader_assignment import found, readings


@dataclass(frozen=True)
class Draw:
    """`drawn` images out of `population`, by `seed`; `digest` names which those were."""

    seed: int
    drawn: int
    population: int
    digest: str

    @property
    def mark(self) -> str:
        """How the ledger names it."""
        return f"{self.seed}/{self.drawn}/{self.population}/{self.digest}"


@dataclass(frozen=True)
class Estimate:
    """A draw's `decided` images, of which `wrong` bore a wrong label, and what follows for its whole population.

    `rate` (0..1) is the share of wrong labels there, `left` how many wrong ones are among its images that the sample
    did not decide; each with the ends of a 95 % interval (Clopper & Pearson 1934), which holds if no image was left
    out for what it shows. `undecided` images were read and could not be told: they count as right in the lower end
    and as wrong in the upper one, for what cannot be told is wrong more often.
    """

    mark: str
    seed: int
    drawn: int
    population: int
    decided: int
    undecided: int
    wrong: int
    rate: float
    rate_low: float
    rate_high: float
    left: float
    left_low: float
    left_high: float


def draw_of(mark: str) -> Draw:
    """The draw that a mark of the ledger names."""
    seed, drawn, population, digest = mark.split("/")
    return Draw(int(seed), int(drawn), int(population), digest)


def of_list(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The standing entries that tell what the ranked list yields, oldest first.

    Not those about images first read in a random sample, nor those that name a missing label: it was not wrong.
    """
    stands = standing(verdicts)
    return stands[(stands.groupby("image_id")["sample"].transform("first") == "") & (stands["given_region"] != "")]


def estimates(verdicts: pd.DataFrame) -> list[Estimate]:
    """One a draw of which an image was decided, the first begun first. `verdicts` are entries of the ledger."""
    stands = standing(verdicts)
    out = []
    for mark in stands["sample"].unique():
        read = readings(stands[stands["sample"] == mark])
        decided, wrong = found(read, read["image_id"])
        if mark and decided:
            out.append(_estimate(draw_of(mark), decided, read["image_id"].nunique() - decided, wrong))
    return out


def _estimate(draw: Draw, decided: int, undecided: int, wrong: int) -> Estimate:
    from scipy.stats import binomtest  # half a second to import, and most starts of the page need none

    read = decided + undecided
    low = binomtest(wrong, read).proportion_ci(method="exact").low
    high = binomtest(wrong + undecided, read).proportion_ci(method="exact").high
    rates = [wrong / decided, low, high]
    unknown = draw.population - decided
    left = [min(max(draw.population * rate - wrong, 0.0), float(unknown)) for rate in rates]
    named = (draw.mark, draw.seed, draw.drawn, draw.population)
    return Estimate(*named, decided, undecided, wrong, *map(float, rates), *map(float, left))
