"""Open a source file that may have been changed or replaced after it was listed."""

from __future__ import annotations

import os
import stat
from io import BufferedReader, FileIO
from pathlib import Path

from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sources import SourceFile

_NO_ELEMENT = bytes(8)  # as the tag and length of an element
_MOST_IN_A_ROW = 1000


class _Bounded(BufferedReader):
    """Never allocates more than the size of the file, even if a length field says more.

    Refuses (`damaged_header`) zeros instead of elements, as in a partly written file: pydicom would read them one by
    one, a megabyte in a second.
    """

    def __init__(self, raw: FileIO, size: int) -> None:
        super().__init__(raw)
        self.size = size
        self._in_a_row = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else min(size, self.size))
        if size == len(_NO_ELEMENT):
            self._in_a_row = self._in_a_row + 1 if data == _NO_ELEMENT else 0
            if self._in_a_row > _MOST_IN_A_ROW:
                raise RefusedFile("damaged_header")
        return data


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; no links, and no waiting for a writer of a FIFO.

    Raises OSError, or RefusedFile `special_file`.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise RefusedFile("special_file")
    return _Bounded(FileIO(handle), os.fstat(handle).st_size)


def has_changed(file: SourceFile) -> bool:
    """Whether size or time of an existing file differ from the listing; then the data read may be inconsistent."""
    if not file.modified:
        return False
    try:
        now = Path(file.path).lstat()
    except OSError:
        return False
    return (now.st_size, now.st_mtime_ns) != (file.size, file.modified)
