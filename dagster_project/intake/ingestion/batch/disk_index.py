"""Small SQLite files for rows between the passes, so that memory does not grow with the number of files."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_ERRORS = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_IOERR: errno.EIO}


@contextmanager
def disk_index(path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database in a new file, which is removed at the end; a leftover file at `path` is removed first.

    Rows are read in the order of a key or an index and never sorted, because sorting needs memory, or files outside the
    private folder. Raises OSError if the disk is full or fails.
    """
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY"):
                database.execute(f"PRAGMA {pragma}")
            database.execute("BEGIN")
            yield database
    except sqlite3.OperationalError as error:
        number = _ERRORS.get(error.sqlite_errorcode & 0xFF)
        if number is None:
            raise
        raise OSError(number, os.strerror(number)) from error
    finally:
        path.unlink(missing_ok=True)
