"""The results of both passes over a batch, on disk in staging, and the choice between files of one instance.

Only one row at a time is in memory. The index contains identities: only for `data/private/`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dagster_project.intake.ingestion.batch.disk_index import disk_index
from dagster_project.intake.ingestion.batch.staged_pixels import StagedImage
from dagster_project.intake.ingestion.headers.header_reader import HeaderRead, Identity
from dagster_project.intake.ingestion.headers.patient_evidence import Evidence

_EVIDENCE = ", ".join(Evidence._fields)
_TABLES = (
    "CREATE TABLE files (number INTEGER PRIMARY KEY, file_id, path, reasons, image_id, header)",
    "CREATE INDEX by_file_id ON files (file_id, number)",
    """CREATE TABLE images (number INTEGER PRIMARY KEY, image_id, file_digest, pixel_digest, reasons, counts, place,
           masked, found)""",
    "CREATE INDEX by_image ON images (image_id, file_digest, number)",
    "CREATE INDEX by_pixels ON images (pixel_digest)",
    "CREATE TABLE identifiers (kind, value, PRIMARY KEY (kind, value)) WITHOUT ROWID",
    f"CREATE TABLE evidence ({_EVIDENCE}, PRIMARY KEY ({_EVIDENCE})) WITHOUT ROWID",
)
_SAME_IMAGE = "FROM images AS first WHERE first.image_id = images.image_id AND first.counts"
_SETTLE = (
    # The first usable file of an instance counts. Files are ordered by content, so the choice does not depend on names.
    # A byte-identical copy is harmless, other content is a conflict.
    f"""UPDATE images SET counts = 0, reasons = reasons || CASE
            WHEN file_digest = (SELECT min(first.file_digest) {_SAME_IMAGE}) THEN ';duplicate_file'
            ELSE ';uid_conflict' END
        WHERE counts AND EXISTS (
            SELECT 1 {_SAME_IMAGE} AND (first.file_digest, first.number) < (images.file_digest, images.number))""",
    """UPDATE images SET reasons = reasons || ';same_pixels' WHERE counts AND pixel_digest IN (
            SELECT pixel_digest FROM images WHERE counts GROUP BY pixel_digest HAVING count(*) > 1)""",
)


@dataclass(frozen=True)
class SeenFile:
    """A file of the batch with the sorted reason codes of both passes."""

    file_id: str
    path: str
    reasons: list[str]


@dataclass(frozen=True)
class UsedFile:
    """The file that counts for its instance: path, reason codes, and the results of both passes."""

    path: str
    reasons: list[str]
    row: dict[str, Any]
    identity: Identity
    label_texts: dict[str, str]
    pixels: StagedImage


class BatchIndex:
    """Both passes fill the index; then `settle` is called; then the index is read."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        for statement in _TABLES:
            database.execute(statement)

    def add_header(self, number: int, file_id: str, path: str, read: HeaderRead) -> None:
        """Record the result of the first pass for the file with this number."""
        image_id = header = None
        if read.row is not None and read.identity is not None:
            image_id = read.row["image_id"]
            header = json.dumps([read.row, vars(read.identity), read.label_texts], default=str)  # JSON has no dates
            # Stored as bytes, because a path may be invalid text.
        row = (number, file_id, os.fsencode(path), ";".join(read.reasons), image_id, header)
        self._database.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", row)
        self._database.executemany(
            "INSERT OR IGNORE INTO identifiers VALUES (?, ?)", ((kind, shown(v)) for kind, v in read.identifiers)
        )

        self._database.executemany("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?, ?, ?)", read.evidence)

    def with_header(self) -> list[int]:
        """The numbers of the files that the first pass did not refuse, in order."""
        found = self._database.execute("SELECT number FROM files WHERE image_id IS NOT NULL ORDER BY number")
        return [number for (number,) in found]

    def add_image(self, number: int, read: StagedImage) -> None:
        """Record the result of the second pass for the file with this number."""
        (image_id,) = self._database.execute("SELECT image_id FROM files WHERE number = ?", (number,)).fetchone()
        digests = read.file_digest, read.pixel_digest
        counts, masked = read.place is not None, read.masked > 0
        found = counts, read.place, masked, json.dumps(vars(read))
        row = (number, image_id, *digests, ";".join(read.reasons), *found)
        self._database.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def settle(self) -> None:
        """Decide which of several files of one instance counts, and mark images that have several UIDs."""
        for statement in _SETTLE:
            self._database.execute(statement)

    def used(self) -> Iterator[UsedFile]:
        """The files that count, in the order of their image ids."""
        for path, first, second, header, found in self._database.execute(
            """SELECT path, files.reasons, images.reasons, header, found FROM images JOIN files USING (number)
               WHERE counts ORDER BY images.image_id, file_digest, number"""
        ):
            row, identity, texts = json.loads(header)
            pixels = StagedImage(**json.loads(found))
            yield UsedFile(os.fsdecode(path), _reasons(first, second), row, Identity(**identity), texts, pixels)

    def places(self) -> np.ndarray:
        """The rows in staging of the images of the files that count, in the order of their image ids; int64 (N,)."""
        found = self._database.execute(
            "SELECT place FROM images WHERE counts ORDER BY images.image_id, file_digest, number"
        )
        return np.fromiter((place for (place,) in found), np.int64)

    def masked(self) -> int:
        """The number of files that count and have masked burned-in text."""
        return int(self._database.execute("SELECT count(*) FROM images WHERE counts AND masked").fetchone()[0])

    def seen(self) -> Iterator[SeenFile]:
        """All files in the order of their ids."""
        for file_id, path, first, second in self._database.execute(
            """SELECT file_id, path, files.reasons, images.reasons FROM files LEFT JOIN images USING (number)
               ORDER BY file_id, number"""
        ):
            yield SeenFile(file_id, os.fsdecode(path), _reasons(first, second))

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """Kind and value of the names and numbers in all readable headers, each once, sorted."""
        yield from self._database.execute("SELECT kind, value FROM identifiers ORDER BY kind, value")

    def evidence(self) -> Iterator[Evidence]:
        """The evidence about patients in all readable headers, including refused files; each once, sorted."""
        yield from map(Evidence._make, self._database.execute(f"SELECT * FROM evidence ORDER BY {_EVIDENCE}"))


@contextmanager
def batch_index(path: Path) -> Iterator[BatchIndex]:
    """An empty index in a new file, which is removed at the end. Raises OSError on a full disk."""
    with disk_index(path) as database:
        yield BatchIndex(database)


def _reasons(first: str, second: str | None) -> list[str]:
    return sorted({sys.intern(reason) for reason in f"{first};{second or ''}".split(";") if reason})


def shown(name: str) -> str:
    """The name as valid text for tables; bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
