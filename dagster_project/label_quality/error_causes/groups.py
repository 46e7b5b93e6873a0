"""Groups of images that may have a common cause: of one factor, of two, or of two with one kind of confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

GIVEN, SHOWN = "given_region", "shown_region"
MIN_ERRORS = 3.0  # groups with fewer expected errors are not reported
_MIN_IMAGES, _MIN_PATIENTS = 15, 8


@dataclass(frozen=True)
class Group:
    """Images that share `levels` of `factors`: one factor, two, or two and SHOWN, the region that the errors show.

    `p` is the p-value, `q` the false discovery rate; `equivalent_groups` are other names of the same images.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    p: float = 1.0
    q: float = 1.0
    equivalent_groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The levels, such as `ROOM2 x shoulder`."""
        return " x ".join(self.levels)


class Images:
    """N labelled images, their factors as numbers.

    `table` has one row for each image: `patient_group`, `probability` (0..1 that the label is wrong), GIVEN, SHOWN, and
    one column for each factor, '' where the factor is not known.
    """

    def __init__(self, table: pd.DataFrame, factors: Sequence[str]) -> None:
        self.probability = table["probability"].to_numpy(float)
        self.patients = pd.factorize(table["patient_group"])[0]
        self._codes, self._names = {}, {}
        for factor in {GIVEN, SHOWN, *factors}:
            values = table[factor].replace("", None).to_numpy(object)
            self._codes[factor], self._names[factor] = pd.factorize(values, sort=True)

    def groups(self, factors: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[Group]:
        """All groups that are large enough; of confusions only those that are frequent enough in all images."""
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
        """Probability of the errors that define the group, (N,)."""
        if group.factors[-1] != SHOWN:
            return self.probability
        return np.where(self._has(SHOWN, group.levels[-1]), self.probability, 0.0)

    def tests(self, group: Group) -> list[tuple[np.ndarray, np.ndarray]]:
        """The comparisons that the group must exceed: images to compare, bool (N,), and strata, int (N,).

        One factor: all other images, within given regions. Two factors: the same second level without the first level,
        and the first level without the second.
        """
        given, one_stratum = self._codes[GIVEN], np.zeros(len(self.patients), dtype=int)
        first = group.factors[0]
        if len(group.factors) == 1:
            return [(self._codes[first] >= 0, one_stratum if first == GIVEN else given)]
        second = group.factors[1]
        elsewhere = self._has(second, group.levels[1]) & (self._codes[first] >= 0)
        rest = self._has(first, group.levels[0]) & (self._codes[second] >= 0)
        if group.factors[-1] == SHOWN:
            rest &= ~self._has(GIVEN, group.levels[-1])  # a right label is not an error of the group
        return [(elsewhere, given), (rest, one_stratum if second == GIVEN else given)]

    def large_enough(self, inside: np.ndarray) -> bool:
        """Whether there are enough images and patients for a test."""
        return bool(inside.sum() >= _MIN_IMAGES and len(np.unique(self.patients[inside])) >= _MIN_PATIENTS)

    def _has(self, factor: str, level: str) -> np.ndarray:
        return self._codes[factor] == np.searchsorted(self._names[factor], level)

    def _confusions(self) -> list[tuple[str, str]]:
        table = pd.DataFrame({GIVEN: self._codes[GIVEN], SHOWN: self._codes[SHOWN], "errors": self.probability})
        often = table[(table[SHOWN] >= 0)].groupby([GIVEN, SHOWN])["errors"].sum()
        pairs = [(str(self._names[GIVEN][g]), str(self._names[SHOWN][s])) for g, s in often[often >= MIN_ERRORS].index]
        return [(given, shown) for given, shown in pairs if given != shown]
