"""The append-only table of reviewers' verdicts, and the corrected labels that follow from it.

The review writes the ledger and the training set reads it: this is the only loop in the data flow, and people close
it. The entries form a chain (hash_chain.py), which is checked whenever the ledger is read. Entries of older versions
stay as they were written (ledger_schema.py).
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

from dagster_project.core.atomic_io import read_table, remove_leftovers, write_rows, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.hash_chain import CHAIN_COLUMNS, chained, first_break
from dagster_project.core.ledger_schema import OLD_COLUMNS, SCHEMA, translated, unknown_schema
from dagster_project.core.ledger_tables import CORRECTED_LABELS
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import DECIDING, KEEPS_GIVEN, NEEDS_REGION, VerdictKind

_WHERE = "data/verdicts.parquet"


@dataclass(frozen=True)
class Verdict:
    """One reviewer's verdict on one image; `verdict` is a VerdictKind.

    `region` is the right region for a wrong label, the second region for two regions, and empty otherwise.
    `model_version` and `data_version` are content hashes of the models and data behind the card that was shown.
    `retracts` is the `verdict_id` that the reviewer takes back, in a retraction only.
    `sample` names the random sample that the image was reviewed in, '' for the ranked list.
    """

    image_id: str
    verdict: str
    region: str
    given_region: str
    proposed_region: str
    reviewer: str
    model_version: str = ""
    data_version: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    verdict_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    retracts: str = ""
    sample: str = ""


VERDICT_COLUMNS = list(Verdict.__dataclass_fields__)
LEDGER_COLUMNS = [*VERDICT_COLUMNS, "schema", *CHAIN_COLUMNS]
CORRECTED_COLUMNS = list(CORRECTED_LABELS.types)


def load_verdicts(paths: Paths) -> pd.DataFrame:
    """All entries, oldest first, including retracted verdicts and retractions; columns as in LEDGER_COLUMNS.

    Entries of every schema are returned under today's names; the column `schema` gives the schema of an entry.
    Raises RayTruthError if the ledger cannot be read, has entries of a newer version, or is broken or not yet chained.
    """
    return translated(_stored(paths), LEDGER_COLUMNS)


def begin_ledger(paths: Paths) -> None:
    """Write an empty ledger if there is none, and remove the half-written files of killed processes."""
    with _locked(paths):
        remove_leftovers(paths.verdicts)
        if not paths.verdicts.exists():
            write_table(paths.verdicts, load_verdicts(paths))


def append_verdicts(paths: Paths, verdicts: list[Verdict], regions: tuple[str, ...]) -> int:
    """Append the verdicts that the ledger does not hold yet (by `verdict_id`); return how many were new.

    The verdicts are on the disk when this function returns. Raises RayTruthError, and appends none, if the ledger is
    broken or a verdict is malformed: unknown kind or region, no reviewer, or a retraction of anything but the
    reviewer's own current verdict.
    """
    for verdict in verdicts:
        _check(verdict, regions)
    with _locked(paths):
        stored = _stored(paths)
        known = set(stored["verdict_id"])
        rows = [_row(verdict) for verdict in {v.verdict_id: v for v in verdicts}.values()]
        rows = [row for row in rows if row["verdict_id"] not in known]
        _check_retractions(translated(stored, LEDGER_COLUMNS), rows)
        if rows:
            _append(paths, stored, rows)
    return len(rows)


def migrate_ledger(paths: Paths) -> int:
    """Chain the entries of a ledger that older versions wrote without a chain, and return how many were chained.

    A chained ledger stays as it is. The entries keep their names and values (schema 1).
    Raises RayTruthError if the ledger cannot be read.
    """
    with _locked(paths):
        table = _read(paths)
        if set(CHAIN_COLUMNS) & set(table.columns):
            return 0
        rows = table.reindex(columns=[*VERDICT_COLUMNS, "schema", *OLD_COLUMNS]).fillna("").to_dict("records")
        _append(paths, _no_entries(), rows)
    return len(rows)


def verified_head(paths: Paths, contains: str = "") -> tuple[int, str]:
    """The number of entries in the ledger, and the hash of the last entry ('' if there is none).

    Raises RayTruthError if the chain is broken, or if no entry has the hash `contains`, because entries were cut off.
    """
    table = load_verdicts(paths)
    if contains and contains not in set(table["entry_hash"]):
        raise RayTruthError(
            f"The ledger of verdicts does not contain the entry with the noted hash. The chain of {len(table)} entries "
            "is intact, so the last entries were cut off, or this is another ledger",
            where=_WHERE,
            do="restore the file from a backup",
        )
    return len(table), str(table["entry_hash"].iloc[-1]) if len(table) else ""


def current_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The verdicts that were not retracted, without the retractions, oldest first."""
    retractions = verdicts["verdict"] == VerdictKind.RETRACTED
    retracted = set(verdicts.loc[retractions, "retracts"])
    return verdicts[~retractions & ~verdicts["verdict_id"].isin(retracted)]


def correct_labels(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The latest current verdict that settles the label, one row for each image, sorted by image_id.

    `region` is the image's new label: the given region if it was right or one of two regions, the reviewer's region if
    the given region was wrong, and empty if the image is out of domain.
    """
    current = current_verdicts(verdicts)
    decided = current[current["verdict"].isin(DECIDING)].drop_duplicates("image_id", keep="last")
    region = decided["region"].where(~decided["verdict"].isin(KEEPS_GIVEN), decided["given_region"])
    return decided.assign(region=region)[CORRECTED_COLUMNS].sort_values("image_id", ignore_index=True)


def load_corrected_labels(paths: Paths) -> pd.DataFrame:
    """The corrected labels as last written; an empty table if there are none."""
    if paths.corrected_labels.exists():
        return read_table(paths.corrected_labels)
    return pd.DataFrame(columns=CORRECTED_COLUMNS).astype("string")


def update_corrected_labels(paths: Paths) -> pd.DataFrame:
    """Write `data/corrected_labels.parquet` from the ledger and return it."""
    corrected = correct_labels(load_verdicts(paths))
    write_rows(paths.corrected_labels, corrected, CORRECTED_LABELS)
    return corrected


def _row(verdict: Verdict) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(verdict).items()} | {"schema": SCHEMA}


def _check(verdict: Verdict, regions: tuple[str, ...]) -> None:
    problem = ""
    if verdict.verdict not in tuple(VerdictKind):
        problem = f"unknown verdict {verdict.verdict!r}; the verdicts are {', '.join(VerdictKind)}"
    elif verdict.verdict in NEEDS_REGION and verdict.region not in regions:
        problem = f"{verdict.verdict} needs a region of the regions file, not {verdict.region!r}"
    elif verdict.verdict not in NEEDS_REGION and verdict.region:
        problem = f"{verdict.verdict} takes no region, but {verdict.region!r} was given"
    elif not verdict.reviewer.strip():
        problem = "no reviewer is named"
    elif (verdict.verdict == VerdictKind.RETRACTED) != bool(verdict.retracts):
        problem = "a retraction must name the verdict that it retracts, and no other verdict may name one"
    if problem:
        raise _malformed(verdict.image_id, problem)


def _check_retractions(ledger: pd.DataFrame, rows: list[dict[str, str]]) -> None:
    """Reviewers may retract only their own verdicts, and each verdict only once."""
    current: dict[str, Any] = {row["verdict_id"]: row for row in current_verdicts(ledger).to_dict("records")}
    for row in rows:
        if not row["retracts"]:
            current[row["verdict_id"]] = row
            continue
        retracted = current.pop(row["retracts"], None)
        if retracted is None or (retracted["image_id"], retracted["reviewer"]) != (row["image_id"], row["reviewer"]):
            raise _malformed(row["image_id"], "this reviewer has no such current verdict on this image to retract")


def _malformed(image_id: str, problem: str) -> RayTruthError:
    return RayTruthError(
        f"A verdict cannot be recorded: {problem}",
        where=f"image {image_id}",
        do="correct the verdict and import again; nothing was recorded",
    )


def _stored(paths: Paths) -> pd.DataFrame:
    """The verified entries as stored: LEDGER_COLUMNS and OLD_COLUMNS, '' for a missing value."""
    table = _read(paths)
    if len(table) and not set(CHAIN_COLUMNS) <= set(table.columns):
        raise RayTruthError(
            "The ledger of verdicts was written by an older version, which did not chain its entries",
            where=_WHERE,
            do="run `raytruth migrate` once: it keeps and chains all entries",
        )
    if version := unknown_schema(table):
        raise RayTruthError(
            f"The ledger of verdicts has entries of a newer version of RayTruth (schema {version})",
            where=_WHERE,
            do="use the newer version; an older one does not read or extend this ledger",
        )
    table = table.reindex(columns=[*LEDGER_COLUMNS, *OLD_COLUMNS], fill_value="").fillna("")
    if (number := first_break(table)) is not None:
        raise RayTruthError(
            f"The ledger of verdicts was changed: its chain breaks at entry {number + 1} of {len(table)}",
            where=f"{_WHERE}, entry {number + 1}, verdict {table['verdict_id'].iloc[number]}",
            do="restore the file from a backup or by `dvc checkout`; until then no command reads or extends it",
        )
    return table


def _no_entries() -> pd.DataFrame:
    return pd.DataFrame(columns=[*LEDGER_COLUMNS, *OLD_COLUMNS]).astype("string")


def _read(paths: Paths) -> pd.DataFrame:
    if not paths.verdicts.exists():
        return _no_entries()
    try:
        return read_table(paths.verdicts)
    except (ArrowException, ValueError, OSError) as error:
        raise RayTruthError(
            f"The ledger of verdicts cannot be read ({type(error).__name__})",
            where=_WHERE,
            do="restore the file from a backup or by `dvc checkout`",
        ) from None


def _append(paths: Paths, stored: pd.DataFrame, rows: list[dict[Any, str]]) -> None:
    """Write the ledger with `rows` after its entries, and flush the file to the disk."""
    last = stored["entry_hash"].iloc[-1] if len(stored) else ""
    added = pd.DataFrame(chained(rows, last), columns=[*LEDGER_COLUMNS, *OLD_COLUMNS])
    table = pd.concat([stored, added], ignore_index=True).fillna("").astype("string")
    remove_leftovers(paths.verdicts)
    write_table(paths.verdicts, table.drop(columns=[name for name in OLD_COLUMNS if not (table[name] != "").any()]))
    folder = os.open(paths.verdicts.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the file name too: otherwise a power cut can bring the old file back
    finally:
        os.close(folder)


def _locked(paths: Paths) -> FileLock:
    paths.verdicts.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(paths.verdicts.with_name(".verdicts.lock"))
