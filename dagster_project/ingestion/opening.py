"""Opening a source's file, which somebody may have changed or exchanged since it was listed."""

from __future__ import annotations

import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path

from dagster_project.ingestion.reasons import RefusedFile
from dagster_project.ingestion.sources import SourceFile


class _Bounded(BufferedReader):
    """Never makes room for more than the file holds, whatever a length field in it says."""

    def __init__(self, raw: FileIO, size: int) -> None:
        super().__init__(raw)
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(-1 if size is None else min(size, self.size))


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading: no link, and without waiting for anybody to write into a FIFO.

    Raises OSError, or RefusedFile `special_file`.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RefusedFile("special_file")
    return _Bounded(FileIO(handle), os.fstat(handle).st_size)


def has_changed(file: SourceFile) -> bool:
    """Whether the file is there, but of another size or time than when it was listed; what was read may be mixed."""
    if not file.modified:
        return False
    try:
        now = Path(file.path).lstat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) != (file.size, file.modified)
