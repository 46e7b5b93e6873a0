"""The append-only table of reviewers' verdicts, and the corrected labels that follow from it.

Written by review, read by training_set; the one loop in the data flow, which people close.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import pandas as pd
from filelock import BaseFileLock, FileLock

from dagster_project.errors import RayTruthError
from dagster_project.files import read_table, remove_leftovers, write_table
from dagster_project.layout import Layout

VERDICTS = ("given_is_right", "wrong_label", "out_of_domain", "two_regions", "cannot_tell")
_NEEDS_REGION = ("wrong_label", "two_regions")


@dataclass(frozen=True)
class Verdict:
    """What one reviewer said of one picture.

    `region` is the right region for `wrong_label`, the second one for `two_regions`, and empty otherwise.
    `model` and `data_version` say what the reviewer was shown (content hashes).
    """

    image_id: str
    verdict: str
    region: str
    given_region: str
    proposed_region: str
    reviewer: str
    model: str = ""
    data_version: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    verdict_id: str = field(default_factory=lambda: uuid.uuid4().hex)


VERDICT_COLUMNS = list(Verdict.__dataclass_fields__)
CORRECTED_COLUMNS = ["image_id", "verdict", "region", "given_region", "reviewer", "at"]


def load_verdicts(layout: Layout) -> pd.DataFrame:
    """All verdicts, oldest first; columns as in Verdict."""
    if layout.verdicts.exists():
        return read_table(layout.verdicts)
    return pd.DataFrame(columns=VERDICT_COLUMNS).astype("string")


def begin_ledger(layout: Layout) -> None:
    """Write an empty ledger if there is none, and remove what a killed process left half written of one."""
    with _lock(layout):
        remove_leftovers(layout.verdicts)
        if not layout.verdicts.exists():
            write_table(layout.verdicts, load_verdicts(layout))


def append_verdicts(layout: Layout, verdicts: list[Verdict], regions: tuple[str, ...]) -> int:
    """Append verdicts that are not in the ledger yet (by `verdict_id`); return how many were new.

    Raises RayTruthError, and appends none, if one is malformed: an unknown kind or region, no reviewer.
    """
    for verdict in verdicts:
        _check(verdict, regions)
    layout.verdicts.parent.mkdir(parents=True, exist_ok=True)
    with _lock(layout):
        known = load_verdicts(layout)
        new = [asdict(v) for v in verdicts if v.verdict_id not in set(known["verdict_id"])]
        if new:
            added = pd.DataFrame(new, columns=VERDICT_COLUMNS).astype("string")
            write_table(layout.verdicts, pd.concat([known, added], ignore_index=True))
    return len(new)


def correct_labels(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The latest verdict a picture that decides anything, one row a picture, sorted by image_id.

    `region` is the picture's region from now on: the given one if it was right or also right, the named one if it was
    wrong, and empty if the picture is out of domain.
    """
    decided = verdicts[verdicts["verdict"] != "cannot_tell"].drop_duplicates("image_id", keep="last")
    keeps_given = decided["verdict"].isin(["given_is_right", "two_regions"])
    region = decided["region"].where(~keeps_given, decided["given_region"])
    return decided.assign(region=region)[CORRECTED_COLUMNS].sort_values("image_id", ignore_index=True)


def load_corrected_labels(layout: Layout) -> pd.DataFrame:
    """The corrected labels as last written; empty if there are none."""
    if layout.corrected_labels.exists():
        return read_table(layout.corrected_labels)
    return pd.DataFrame(columns=CORRECTED_COLUMNS).astype("string")


def update_corrected_labels(layout: Layout) -> pd.DataFrame:
    """Write `data/corrected_labels.parquet` from the ledger and return it."""
    corrected = correct_labels(load_verdicts(layout))
    write_table(layout.corrected_labels, corrected)
    return corrected


def _lock(layout: Layout) -> BaseFileLock:
    return FileLock(layout.verdicts.with_name(".verdicts.lock"))


def _check(verdict: Verdict, regions: tuple[str, ...]) -> None:
    problem = ""
    if verdict.verdict not in VERDICTS:
        problem = f"unknown verdict {verdict.verdict!r}; one of {', '.join(VERDICTS)}"
    elif verdict.verdict in _NEEDS_REGION and verdict.region not in regions:
        problem = f"{verdict.verdict} needs a region of the regions file, not {verdict.region!r}"
    elif verdict.verdict not in _NEEDS_REGION and verdict.region:
        problem = f"{verdict.verdict} takes no region, but {verdict.region!r} was given"
    elif not verdict.reviewer.strip():
        problem = "no reviewer is named"
    if problem:
        raise RayTruthError(
            f"A verdict cannot be recorded: {problem}",
            where=f"image {verdict.image_id}",
            do="mend it and import again; nothing was recorded",
        )
