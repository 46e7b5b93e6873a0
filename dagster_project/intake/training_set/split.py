"""Who is trained on, who chooses settings, who is locked away for the test: by patient, once and for all."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

SPLITS = ("train", "validation", "test")  # from the least protected to the most
EXCLUDED = {  # why an image that is on a side is not used there
    "split_leakage": "copies of images on a more protected side of the split",
    "patient_split_leakage": "images of patients who turned out to be one with a patient on a more protected side",
}
UNLABELLED = ""


def draw(name: str, purpose: str) -> float:
    """A number in [0, 1) that depends on a keyed pseudonym alone, hence on the key and the patient."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\0{name}".encode()).digest()[:7], "big") / 2**56


def stratum_of(groups: pd.Series, regions: pd.Series) -> pd.Series:
    """The rarest region (by groups that have it) that each group shows; UNLABELLED if none. Indexed by group."""
    pairs = pd.DataFrame({"group": groups, "region": regions.fillna(UNLABELLED)}).drop_duplicates()
    pairs["groups"] = pairs.groupby("region")["group"].transform("size")
    pairs.loc[pairs["region"] == UNLABELLED, "groups"] = len(pairs) + 1
    rarest = pairs.sort_values(["group", "groups", "region"]).drop_duplicates("group")
    return rarest.set_index("group")["region"]


def assign_splits(strata: pd.Series, settled: pd.Series, *, test: float, validation: float) -> pd.Series:
    """Give every group a split: `settled` ones keep theirs, new ones fill each stratum's quota in the order of `draw`.

    `strata` and `settled` are indexed by group; `test` and `validation` are shares. Each stratum of at least three
    groups has one in every split. Returns the split of every group of `strata`.
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
    """Deal each stratum's groups out over `folds`, in the order of `draw`, going on where the last stratum stopped."""
    numbers, dealt = {}, 0
    for _, members in strata.groupby(strata):
        for group in sorted(members.index, key=lambda group: draw(group, "fold")):
            numbers[group] = dealt % folds
            dealt += 1
    return pd.Series(numbers, dtype="int8").loc[strata.index]


def most_protected(settled: pd.Series, linked: pd.Series) -> pd.Series:
    """The most protected of the sides that linked patients were settled on.

    `settled` is patient -> side, `linked` patient -> name of those linked; returns name -> side where anybody has one.
    """
    known = pd.DataFrame({"name": linked, "side": linked.index.to_series().map(settled)}, linked.index).dropna()
    known = known.sort_values("side", key=lambda side: side.map(SPLITS.index), ascending=False)
    return known.drop_duplicates("name").set_index("name")["side"]


def leaks(split: pd.Series, person: pd.Series, near_duplicates: np.ndarray) -> np.ndarray:
    """Why each image must not be used on its side: one of EXCLUDED, or ''; (N,).

    `split` and `person` are (N,), `near_duplicates` (P, 2) row numbers. Of a person, and of a pair of copies, who stand
    on several sides since they were settled before they were linked, the most protected side is kept.
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
