"""Small SQLite files that hold rows between passes, so that memory does not grow with the number of files."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def disk_index(path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database in a new file, which is removed at the end; what a killed process left at `path` goes first.

    Rows are never sorted but read in the order of a key or an index: sorting would take memory, or files outside the
    private folder. A full disk is an OSError.
    """
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY"):
                database.execute(f"PRAGMA {pragma}")
            database.execute("BEGIN")
            yield database
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    finally:
        path.unlink(missing_ok=True)
