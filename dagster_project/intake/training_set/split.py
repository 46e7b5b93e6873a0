"""The split by patient into train, validation (to choose settings) and test; a patient never changes sides."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")  # from the least to the most protected
EXCLUDED = {  # reasons why an image is excluded from its side
    "split_leakage": "copies of images on a more protected side of the split",
    "patient_split_leakage": "images of patients who are the same person as a patient on a more protected side",
}
UNLABELLED = ""


def draw(name: str, purpose: str) -> float:
    """A number in [0, 1) that depends only on a keyed pseudonym, and therefore on the key and the patient."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{name}".encode()).digest()[:7], "big") / 2**56


def stratum_of(groups: pd.Series, regions: pd.Series) -> pd.Series:
    """The rarest region (by number of groups) of each group; UNLABELLED if it has no region. Indexed by group."""
    pairs = pd.DataFrame({"group": groups, "region": regions.fillna(UNLABELLED)}).drop_duplicates()
    pairs["groups"] = pairs.groupby("region")["group"].transform("size")
    pairs.loc[pairs["region"] == UNLABELLED, "groups"] = len(pairs) + 1
    rarest = pairs.sort_values(["group", "groups", "region"]).drop_duplicates("group")
    return rarest.set_index("group")["region"]


def assign_splits(strata: pd.Series, settled: pd.Series, *, test: float, validation: float) -> pd.Series:
    """Give every group a split. `settled` groups keep theirs, new groups fill each stratum's quota in order of `draw`.

    `strata` and `settled` are indexed by group; `test` and `validation` are shares. A stratum of three or more groups
    has at least one group in every split. Returns the split of every group in `strata`.
    """
    assigned = settled[settled.index.isin(strata.index)].copy()
    for _, members in strata.groupby(strata):
        old = assigned[assigned.index.isin(members.index)]
        new = sorted(members.index.difference(old.index), key=lambda group: draw(group, "split"))
        for name, share in (("test", test), ("validation", validation)):
            quota = max(round(share * len(members)), 1 if len(members) >= len(SPLITS) else 0)
            taken, new = _take(new, quota - int((old == name).sum()))
            assigned = pd.concat([assigned, pd.Series(name, index=taken, dtype="string")])
        assigned = pd.concat([assigned, pd.Series("train", index=new, dtype="string")])
    return assigned.loc[strata.index]


def assign_folds(strata: pd.Series, folds: int) -> pd.Series:
    """Distribute each stratum's groups over `folds` in the order of `draw`, continuing where the last stratum ended."""
    numbers, dealt = {}, 0
    for _, members in strata.groupby(strata):
        for group in sorted(members.index, key=lambda group: draw(group, "fold")):
            numbers[group] = dealt % folds
            dealt += 1
    return pd.Series(numbers, dtype="int8").loc[strata.index]


def most_protected(settled: pd.Series, linked: pd.Series) -> pd.Series:
    """The most protected of the sides that linked patients already have.

    `settled` is patient -> side, `linked` is patient -> name of the linked patients. Returns name -> side, for names
    with at least one settled patient.
    """
    known = pd.DataFrame({"name": linked, "side": linked.index.to_series().map(settled)}, linked.index).dropna()
    known = known.sort_values("side", key=lambda side: side.map(SPLITS.index), ascending=False)
    return known.drop_duplicates("name").set_index("name")["side"]


def leaks(split: pd.Series, person: pd.Series, near_duplicates: np.ndarray) -> np.ndarray:
    """The reason why each image must not be used on its side: one of EXCLUDED, or ''; (N,).

    `split` and `person` are (N,), `near_duplicates` is (P, 2) row numbers. A person or a pair of copies can be on
    several sides if the sides were assigned before the link was found; only the most protected side is kept.
    """
    protection = split.map(SPLITS.index).to_numpy(int)
    most = pd.Series(protection).groupby(person.to_numpy(object)).transform("max").to_numpy(int)
    excluded = np.where(protection < most, "patient_split_leakage", "").astype(object)
    first, second = protection[near_duplicates[:, 0]], protection[near_duplicates[:, 1]]
    excluded[near_duplicates[first < second, 0]] = "split_leakage"
    excluded[near_duplicates[second < first, 1]] = "split_leakage"
    return excluded


def _take(groups: list[str], count: int) -> tuple[list[str], list[str]]:
    count = max(count, 0)
    return groups[:count], groups[count:]
