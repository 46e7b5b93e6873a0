"""The push log: the outcome of each object that was sent, in a SQLite file in the private folder, and as CSV."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from dagster_project.core.atomic_io import write_text

STORED = "stored"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  source TEXT NOT NULL, sop_instance_uid TEXT NOT NULL, series_instance_uid TEXT NOT NULL,
  study_instance_uid TEXT NOT NULL, kind TEXT NOT NULL, image_id TEXT NOT NULL, outcome TEXT NOT NULL,
  at TEXT NOT NULL, PRIMARY KEY (source, sop_instance_uid)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Sent:
    """One object by its own UIDs: a `kind` of object about an image."""

    kind: str
    image_id: str
    sop: str = field(repr=False)
    series: str = field(repr=False)
    study: str = field(repr=False)


class PushLog:
    """The log. An outcome is on the disk when `note` returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def stored(self, source: str) -> set[str]:
        """SOP Instance UIDs of the objects that the PACS stored; each was read back and compared."""
        question = "SELECT sop_instance_uid FROM objects WHERE source = ? AND outcome = ?"
        return {uid for (uid,) in self._db.execute(question, (source, STORED))}

    def note(self, source: str, sent: Sent, outcome: str) -> None:
        """Record the outcome of one object."""
        values = (source, sent.sop, sent.series, sent.study, sent.kind, sent.image_id, outcome)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*values, at))

    def write_list(self, path: Path, current: set[str]) -> None:
        """All objects as CSV; `current` are the UIDs of the objects for the current verdicts."""
        with closing(self._db.execute("SELECT * FROM objects ORDER BY at, sop_instance_uid")) as rows:
            table = pd.DataFrame(rows.fetchall(), columns=[column for column, *_ in rows.description])
        table["still_current"] = table["sop_instance_uid"].isin(list(current))
        write_text(path, table.to_csv(index=False))
        path.chmod(0o600)
