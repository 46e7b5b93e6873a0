"""The state of the pulls: studies seen at each PACS and images taken in, in a SQLite file in the private folder."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.core.errors import RayTruthError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS images (image TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (source TEXT PRIMARY KEY, polls INTEGER NOT NULL, swept REAL, asked TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS studies (
  id INTEGER PRIMARY KEY, source TEXT NOT NULL, uid TEXT NOT NULL, objects INTEGER NOT NULL, poll INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0, fetched INTEGER, failures INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL DEFAULT 0, UNIQUE (source, uid));
CREATE TABLE IF NOT EXISTS tallies (
  source TEXT NOT NULL, day TEXT NOT NULL, what TEXT NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (source, day, what)) WITHOUT ROWID;
"""
_SEE = """
INSERT INTO studies (source, uid, objects, poll) VALUES (:source, :uid, :objects, :poll)
ON CONFLICT (source, uid) DO UPDATE SET
  settled = objects = excluded.objects AND (poll < excluded.poll OR settled),
  objects = excluded.objects, poll = excluded.poll
"""


@dataclass(frozen=True)
class Candidate:
    """A study that is not completely fetched. `settled`: an earlier poll saw the same number of objects."""

    id: int
    uid: str = field(repr=False)
    objects: int
    poll: int
    settled: bool


def migrate_state(path: Path) -> bool:
    """Rename the tables of a record from before version 0.2.0; return whether the record was old."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        if not _has_old_names(db):
            return False
        db.execute("BEGIN IMMEDIATE")
        db.execute("ALTER TABLE pictures RENAME TO images")
        db.execute("ALTER TABLE images RENAME COLUMN picture TO image")
        db.execute("COMMIT")
    return True


def _has_old_names(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'pictures'").fetchone())


class State:
    """The tables. Safe for threads; processes wait for each other's short writes."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=60, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if _has_old_names(self._db):
            self._db.close()
            raise RayTruthError(
                "The record of pulled images was written by an older version of RayTruth",
                where=f"{path.parent.name}/{path.name}",
                do="run `raytruth migrate`; nothing was changed",
            )
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, question: str, *values: object) -> list[tuple]:
        with self._lock:
            return self._db.execute(question, values).fetchall()

    # Images, from any source
    def knows(self, image: str) -> bool:
        """Whether the image with this pseudonym was taken in."""
        return bool(self._rows("SELECT 1 FROM images WHERE image = ?", image))

    def took_in(self, image: str, digest: str, place: Callable[[], None] = lambda: None) -> str | None:
        """Record a new image after `place` has put it durably into an open batch; one at a time across all processes.

        Returns None, or the recorded digest if the image was known; a known image is not placed.
        """
        with self._writing() as db:
            known = db.execute("SELECT digest FROM images WHERE image = ?", (image,)).fetchone()
            if known:
                return str(known[0])
            place()
            db.execute("INSERT INTO images VALUES (?, ?)", (image, digest))
        return None

    def replaced(self, image: str, digest: str) -> None:
        """Record that the content of an image was replaced."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO images VALUES (?, ?)", (image, digest))

    # Counts for people
    def tally(self, source: str, what: str) -> None:
        """Count one arrival or refusal of today (UTC)."""
        with self._writing() as db:
            db.execute(
                "INSERT INTO tallies VALUES (?, ?, ?, 1) "
                "ON CONFLICT (source, day, what) DO UPDATE SET number = number + 1",
                (source, datetime.now(UTC).date().isoformat(), what),
            )

    def tallies(self, source: str) -> list[tuple[str, str, int]]:
        """Day, outcome, number; the latest day first."""
        question = "SELECT day, what, number FROM tallies WHERE source = ? ORDER BY day DESC, what"
        return self._rows(question, source)

    # Polling
    def begin_poll(self, source: str, asked: str) -> tuple[int, float | None]:
        """The number of a new poll, and the time of the last full sweep (seconds since 1970), if any.

        If `asked` has changed, a full sweep is due, and all studies are checked object by object again.
        """
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO sources VALUES (?, 0, NULL, ?)", (source, asked))
            changed = db.execute("SELECT 1 FROM sources WHERE source = ? AND asked <> ?", (source, asked)).fetchone()
            if changed:
                db.execute("UPDATE sources SET swept = NULL, asked = ? WHERE source = ?", (asked, source))
                db.execute("UPDATE studies SET fetched = NULL WHERE source = ?", (source,))
            db.execute("UPDATE sources SET polls = polls + 1 WHERE source = ?", (source,))
            number, swept = db.execute("SELECT polls, swept FROM sources WHERE source = ?", (source,)).fetchone()
        return number, swept

    def swept(self, source: str, at: float) -> None:
        """Record a full sweep."""
        with self._writing() as db:
            db.execute("UPDATE sources SET swept = ? WHERE source = ?", (at, source))

    def see(self, source: str, poll: int, studies: list[tuple[str, int]]) -> None:
        """Record studies that a poll lists: UID and number of objects. A poll may list a study twice."""
        with self._writing() as db:
            rows = [{"source": source, "uid": uid, "objects": n, "poll": poll} for uid, n in studies]
            db.executemany(_SEE, rows)

    def look_into(self, source: str, poll: int) -> None:
        """Mark all studies of this poll so far to be checked object by object, whatever their number of objects."""
        with self._writing() as db:
            db.execute("UPDATE studies SET fetched = NULL WHERE source = ? AND poll = ?", (source, poll))

    def candidates(self, source: str, poll: int) -> list[Candidate]:
        """Up to 10,000 studies to fetch or to query again at a poll; studies with fewer failures come first."""
        question = (
            "SELECT id, uid, objects, poll, settled FROM studies WHERE source = ?1 AND fetched IS NOT objects "
            "AND due <= ?2 AND (settled OR poll < ?2) ORDER BY failures, id LIMIT 10000"
        )
        return [_candidate(*row) for row in self._rows(question, source, poll)]

    def seen(self, source: str, poll: int) -> int:
        """The number of studies that a poll listed."""
        return int(self._rows("SELECT COUNT(*) FROM studies WHERE source = ? AND poll = ?", source, poll)[0][0])

    def waiting(self, source: str) -> int:
        """The number of studies that are not completely fetched."""
        question = "SELECT COUNT(*) FROM studies WHERE source = ? AND fetched IS NOT objects"
        return int(self._rows(question, source)[0][0])

    def fetched(self, study: Candidate) -> None:
        """Record that all radiographs of a study, as last listed, were fetched."""
        with self._writing() as db:
            db.execute("UPDATE studies SET fetched = ?, failures = 0, due = 0 WHERE id = ?", (study.objects, study.id))

    def failed(self, study: Candidate, poll: int) -> None:
        """Record that a part of a study could not be fetched; the next try is 1, 2, 4 ... 128 polls later."""
        with self._writing() as db:
            db.execute(
                "UPDATE studies SET due = ? + (1 << MIN(failures, 7)), failures = failures + 1 WHERE id = ?",
                (poll, study.id),
            )

    def gone(self, study: Candidate) -> None:
        """Remove a study that the PACS no longer has."""
        with self._writing() as db:
            db.execute("DELETE FROM studies WHERE id = ?", (study.id,))

    def reread(self, study: Candidate) -> Candidate | None:
        """The last recorded state of a study."""
        question = "SELECT id, uid, objects, poll, settled FROM studies WHERE id = ?"
        return next((_candidate(*row) for row in self._rows(question, study.id)), None)


def _candidate(id: int, uid: str, objects: int, poll: int, settled: int) -> Candidate:
    return Candidate(id, uid, objects, poll, bool(settled))
