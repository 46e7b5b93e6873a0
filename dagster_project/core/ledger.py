"""The append-only table of reviewers' verdicts, and the corrected labels that follow from it.

Written by review, read by training_set; the one loop in the data flow, which people close. Its entries form a chain
(chaining.py), checked whenever it is read.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from filelock import FileLock
from pyarrow import ArrowException

from dagster_project.core.atomic_io import read_table, remove_leftovers, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.hash_chain import CHAIN_COLUMNS, chained, first_break
from dagster_project.core.paths import Paths

WITHDRAWN = "withdrawn"
VERDICTS = ("given_is_right", "wrong_label", "out_of_domain", "two_regions", "cannot_tell", WITHDRAWN)
NEEDS_REGION = ("wrong_label", "two_regions")
_WHERE = "data/verdicts.parquet"


@dataclass(frozen=True)
class Verdict:
    """What one reviewer said of one image.

    `region` is the right region for `wrong_label`, the second one for `two_regions`, and empty otherwise.
    `model` and `data_version` say what the reviewer was shown (content hashes).
    `withdraws` is the `verdict_id` that the reviewer takes back, for `withdrawn` only.
    `sample` names the random sample that the image was read as part of, '' for the ranked list.
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
    withdraws: str = ""
    sample: str = ""


VERDICT_COLUMNS = list(Verdict.__dataclass_fields__)
LEDGER_COLUMNS = [*VERDICT_COLUMNS, *CHAIN_COLUMNS]
CORRECTED_COLUMNS = ["image_id", "verdict", "region", "given_region", "reviewer", "at"]


def load_verdicts(paths: Paths) -> pd.DataFrame:
    """All entries, oldest first, withdrawn ones and withdrawals included; columns as in LEDGER_COLUMNS.

    Raises RayTruthError if the ledger cannot be read, its chain is broken, or it is from before there was a chain.
    """
    table = _read(paths)
    if len(table) and not set(CHAIN_COLUMNS) <= set(table.columns):
        raise RayTruthError(
            "The ledger of verdicts is from before its entries were chained",
            where=_WHERE,
            do="run `raytruth ledger migrate` once: it keeps every entry and chains them",
        )
    table = table.reindex(columns=LEDGER_COLUMNS, fill_value="")
    if (number := first_break(table)) is not None:
        raise RayTruthError(
            f"The ledger of verdicts was changed: its chain breaks at entry {number + 1} of {len(table)}",
            where=f"{_WHERE}, entry {number + 1}, verdict {table['verdict_id'].iloc[number]}",
            do="bring the file back from a backup or by `dvc checkout`; nothing reads or extends it until then",
        )
    return table


def begin_ledger(paths: Paths) -> None:
    """Write an empty ledger if there is none, and remove what a killed process left half written of one."""
    with _locked(paths):
        remove_leftovers(paths.verdicts)
        if not paths.verdicts.exists():
            write_table(paths.verdicts, load_verdicts(paths))


def append_verdicts(paths: Paths, verdicts: list[Verdict], regions: tuple[str, ...]) -> int:
    """Append verdicts that are not in the ledger yet (by `verdict_id`); return how many were new.

    When it returns, they are on the disk. Raises RayTruthError, and appends none, if one is malformed (an unknown kind
    or region, no reviewer, a withdrawal of something that the same reviewer did not say) or the ledger is broken.
    """
    for verdict in verdicts:
        _check(verdict, regions)
    with _locked(paths):
        ledger = load_verdicts(paths)
        known = set(ledger["verdict_id"])
        rows = [asdict(verdict) for verdict in {v.verdict_id: v for v in verdicts}.values()]
        rows = [row for row in rows if row["verdict_id"] not in known]
        _check_withdrawals(ledger, rows)
        if rows:
            _append(paths, ledger, rows)
    return len(rows)


def migrate_ledger(paths: Paths) -> int:
    """Chain the entries of a ledger from before there was a chain; return how many. A chained one stays as it is.

    Raises RayTruthError if the ledger cannot be read.
    """
    with _locked(paths):
        table = _read(paths)
        if set(CHAIN_COLUMNS) & set(table.columns):
            return 0
        rows = table.reindex(columns=VERDICT_COLUMNS).fillna("").to_dict("records")
        _append(paths, pd.DataFrame(columns=LEDGER_COLUMNS).astype("string"), rows)
    return len(rows)


def verified_head(paths: Paths, holds: str = "") -> tuple[int, str]:
    """How many entries the ledger has, and the hash of the last ('' for none).

    Raises RayTruthError if its chain is broken, or no entry has the hash `holds`: then entries after it were cut off.
    """
    table = load_verdicts(paths)
    if holds and holds not in set(table["entry_hash"]):
        raise RayTruthError(
            f"The ledger of verdicts lacks the entry noted earlier; it has {len(table)} entries, whose chain is whole",
            where=_WHERE,
            do="its last entries were cut off, or it is another ledger: bring it back from a backup",
        )
    return len(table), str(table["entry_hash"].iloc[-1]) if len(table) else ""


def standing(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The entries that were not taken back, without the withdrawals themselves, oldest first."""
    taken_back = set(verdicts.loc[verdicts["verdict"] == WITHDRAWN, "withdraws"])
    return verdicts[(verdicts["verdict"] != WITHDRAWN) & ~verdicts["verdict_id"].isin(taken_back)]


def correct_labels(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The latest standing verdict an image that decides anything, one row an image, sorted by image_id.

    `region` is the image's region from now on: the given one if it was right or also right, the named one if it was
    wrong, and empty if the image is out of domain.
    """
    stands = standing(verdicts)
    decided = stands[stands["verdict"] != "cannot_tell"].drop_duplicates("image_id", keep="last")
    keeps_given = decided["verdict"].isin(["given_is_right", "two_regions"])
    region = decided["region"].where(~keeps_given, decided["given_region"])
    return decided.assign(region=region)[CORRECTED_COLUMNS].sort_values("image_id", ignore_index=True)


def load_corrected_labels(paths: Paths) -> pd.DataFrame:
    """The corrected labels as last written; empty if there are none."""
    if paths.corrected_labels.exists():
        return read_table(paths.corrected_labels)
    return pd.DataFrame(columns=CORRECTED_COLUMNS).astype("string")


def update_corrected_labels(paths: Paths) -> pd.DataFrame:
    """Write `data/corrected_labels.parquet` from the ledger and return it."""
    corrected = correct_labels(load_verdicts(paths))
    write_table(paths.corrected_labels, corrected)
    return corrected


def _check(verdict: Verdict, regions: tuple[str, ...]) -> None:
    problem = ""
    if verdict.verdict not in VERDICTS:
        problem = f"unknown verdict {verdict.verdict!r}; one of {', '.join(VERDICTS)}"
    elif verdict.verdict in NEEDS_REGION and verdict.region not in regions:
        problem = f"{verdict.verdict} needs a region of the regions file, not {verdict.region!r}"
    elif verdict.verdict not in NEEDS_REGION and verdict.region:
        problem = f"{verdict.verdict} takes no region, but {verdict.region!r} was given"
    elif not verdict.reviewer.strip():
        problem = "no reviewer is named"
    elif (verdict.verdict == WITHDRAWN) != bool(verdict.withdraws):
        problem = "a withdrawal, and nothing else, names the verdict that it takes back"
    if problem:
        raise _malformed(verdict.image_id, problem)


def _check_withdrawals(ledger: pd.DataFrame, rows: list[dict[str, str]]) -> None:
    """A reviewer takes back what he or she said and still stands by, nothing else."""
    stands: dict[str, Any] = {row["verdict_id"]: row for row in standing(ledger).to_dict("records")}
    for row in rows:
        if not row["withdraws"]:
            stands[row["verdict_id"]] = row
            continue
        said = stands.pop(row["withdraws"], None)
        if said is None or (said["image_id"], said["reviewer"]) != (row["image_id"], row["reviewer"]):
            raise _malformed(row["image_id"], "it takes back what this reviewer did not say of this image, or no more")


def _malformed(image_id: str, problem: str) -> RayTruthError:
    return RayTruthError(
        f"A verdict cannot be recorded: {problem}",
        where=f"image {image_id}",
        do="mend it and import again; nothing was recorded",
    )


def _read(paths: Paths) -> pd.DataFrame:
    if not paths.verdicts.exists():
        return pd.DataFrame(columns=LEDGER_COLUMNS).astype("string")
    try:
        return read_table(paths.verdicts)
    except (ArrowException, ValueError, OSError) as error:
        raise RayTruthError(
            f"The ledger of verdicts cannot be read ({type(error).__name__})",
            where=_WHERE,
            do="bring the file back from a backup or by `dvc checkout`",
        ) from None


def _append(paths: Paths, ledger: pd.DataFrame, rows: list[dict[Any, str]]) -> None:
    """Write the ledger with `rows` after its entries, down to the disk."""
    last = ledger["entry_hash"].iloc[-1] if len(ledger) else ""
    added = pd.DataFrame(chained(rows, last), columns=LEDGER_COLUMNS).astype("string")
    remove_leftovers(paths.verdicts)
    write_table(paths.verdicts, pd.concat([ledger, added], ignore_index=True))
    folder = os.open(paths.verdicts.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the replaced name as well, or a power cut brings the ledger of before back
    finally:
        os.close(folder)


def _locked(paths: Paths) -> FileLock:
    paths.verdicts.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(paths.verdicts.with_name(".verdicts.lock"))
