"""Groups of images that may have a cause in common: of one factor, of two, or of two with one kind of confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

GIVEN, SHOWN = "given_region", "shown_region"
MIN_ERRORS = 3.0  # expected errors, below which nothing is said of a group
_MIN_IMAGES, _MIN_PATIENTS = 15, 8


@dataclass(frozen=True)
class Group:
    """Images that share `levels` of `factors`: one, two, or two and SHOWN, what its errors show.

    `p` is its p-value, `q` the false discovery rate at which it is named; `also` names groups of the same images.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    p: float = 1.0
    q: float = 1.0
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The levels, as in `ROOM2 x shoulder`."""
        return " x ".join(self.levels)


class Images:
    """N labelled images, their factors as numbers.

    `table` has one row an image: `patient`, `probability` (0..1 that its label is wrong), GIVEN, SHOWN and a column a
    factor, '' where it is not known.
    """

    def __init__(self, table: pd.DataFrame, factors: Sequence[str]) -> None:
        self.probability = table["probability"].to_numpy(float)
        self.patients = pd.factorize(table["patient"])[0]
        self._codes, self._names = {}, {}
        for factor in {GIVEN, SHOWN, *factors}:
            values = table[factor].replace("", None).to_numpy(object)
            self._codes[factor], self._names[factor] = pd.factorize(values, sort=True)

    def groups(self, factors: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[Group]:
        """All groups that are large enough; confusions only where they occur often enough anywhere."""
        levels = {factor: [str(name) for name in names] for factor, names in self._names.items()}
        named = [Group((factor,), (level,)) for factor in factors for level in levels[factor]]
        named += [Group(pair, both) for pair in pairs for both in product(levels[pair[0]], levels[pair[1]])]
        for pair in pairs:
            if pair[1] == GIVEN:
                named += [Group((*pair, SHOWN), (a, *c)) for a in levels[pair[0]] for c in self._confusions()]
        return [group for group in named if self.large_enough(self.inside(group))]

    def inside(self, group: Group) -> np.ndarray:
        """Whether each image is in the group, bool (N,)."""
        parts = [self._has(f, level) for f, level in zip(group.factors, group.levels, strict=True) if f != SHOWN]
        return np.logical_and.reduce(parts)

    def errors(self, group: Group) -> np.ndarray:
        """Probability of the errors that the group is about, (N,)."""
        if group.factors[-1] != SHOWN:
            return self.probability
        return np.where(self._has(SHOWN, group.levels[-1]), self.probability, 0.0)

    def tests(self, group: Group) -> list[tuple[np.ndarray, np.ndarray]]:
        """What the group must exceed each of: images to compare, bool (N,), and strata, int (N,).

        One factor: all others, within given regions. Two: the same second one elsewhere; and the rest of the first.
        """
        given, all_together = self._codes[GIVEN], np.zeros(len(self.patients), dtype=int)
        first = group.factors[0]
        if len(group.factors) == 1:
            return [(self._codes[first] >= 0, all_together if first == GIVEN else given)]
        second = group.factors[1]
        elsewhere = self._has(second, group.levels[1]) & (self._codes[first] >= 0)
        rest = self._has(first, group.levels[0]) & (self._codes[second] >= 0)
        if group.factors[-1] == SHOWN:
            rest &= ~self._has(GIVEN, group.levels[-1])  # a right label is none of the group's errors
        return [(elsewhere, given), (rest, all_together if second == GIVEN else given)]

    def large_enough(self, inside: np.ndarray) -> bool:
        """Whether there are images and patients enough to say something."""
        return bool(inside.sum() >= _MIN_IMAGES and len(np.unique(self.patients[inside])) >= _MIN_PATIENTS)

    def _has(self, factor: str, level: str) -> np.ndarray:
        return self._codes[factor] == np.searchsorted(self._names[factor], level)

    def _confusions(self) -> list[tuple[str, str]]:
        table = pd.DataFrame({GIVEN: self._codes[GIVEN], SHOWN: self._codes[SHOWN], "errors": self.probability})
        often = table[(table[SHOWN] >= 0)].groupby([GIVEN, SHOWN])["errors"].sum()
        pairs = [(str(self._names[GIVEN][g]), str(self._names[SHOWN][s])) for g, s in often[often >= MIN_ERRORS].index]
        return [(given, shown) for given, shown in pairs if given != shown]
