"""What the first pass found, kept on disk between the passes, so that memory does not grow with the folder."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """A file with a usable header. The same instance has the same `image_id`."""

    image_id: str
    sop_instance_uid: str
    path: str


class ScoringIndex:
    """Files by image id, in an SQLite database. It holds identities: for `data/private/` only."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        # The rows lie in the key's order: sorting would take memory, or files outside the private folder.
        database.execute("CREATE TABLE found (image_id, uid, path, PRIMARY KEY (image_id, path)) WITHOUT ROWID")

    def add(self, found: Found) -> None:
        """Remember a file."""
        # A path need not be valid text, which SQLite's must be.
        values = (found.image_id, found.sop_instance_uid, os.fsencode(found.path))
        self._database.execute("INSERT INTO found VALUES (?, ?, ?)", values)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM found").fetchone()[0])

    def __iter__(self) -> Iterator[Found]:
        """All files in the order of their image ids, read from disk as they are asked for."""
        for image_id, uid, path in self._database.execute("SELECT * FROM found ORDER BY image_id, path"):
            yield Found(image_id, uid, os.fsdecode(path))


@contextmanager
def scoring_index(path: Path) -> Iterator[ScoringIndex]:
    """An empty index in a new file, which is not to outlive its folder. A full disk is an OSError."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            yield ScoringIndex(database)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
