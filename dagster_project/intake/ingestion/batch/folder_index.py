"""The results of the first pass, on disk between the passes, so that memory does not grow with the folder."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dagster_project.intake.ingestion.batch.disk_index import disk_index


@dataclass(frozen=True)
class Found:
    """A file with a usable header. Files of one instance have the same `image_id`."""

    image_id: str
    sop_instance_uid: str
    path: str


class FolderIndex:
    """Files by image id in a SQLite database. The index contains identities: only for `data/private/`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("CREATE TABLE found (image_id, uid, path, PRIMARY KEY (image_id, path)) WITHOUT ROWID")

    def add(self, found: Found) -> None:
        """Add a file."""
        # Stored as bytes, because a path may be invalid text.
        values = (found.image_id, found.sop_instance_uid, os.fsencode(found.path))
        self._database.execute("INSERT INTO found VALUES (?, ?, ?)", values)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM found").fetchone()[0])

    def __iter__(self) -> Iterator[Found]:
        """All files in the order of their image ids, read from disk on demand."""
        for image_id, uid, path in self._database.execute("SELECT * FROM found ORDER BY image_id, path"):
            yield Found(image_id, uid, os.fsdecode(path))


@contextmanager
def folder_index(path: Path) -> Iterator[FolderIndex]:
    """An empty index in a new file, which is removed at the end. Raises OSError on a full disk."""
    with disk_index(path) as database:
        yield FolderIndex(database)
