"""A folder tree of any shape as a source of files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, of `size` bytes and last `modified` so many ns after 1970 (0: not known).

    `refused` is a reason code if its kind alone rules it out.
    """

    path: str
    relative: str
    size: int
    refused: str = ""
    modified: int = 0


def list_files(source: Path) -> list[SourceFile]:
    """Every file under `source`, sorted by relative path, and every folder that cannot be read, as refused.

    Links are not followed: what they lead to inside the source is listed in its own place, and all others are refused.

    Raises RayTruthError if `source` is no folder or holds no file. The message does not name the path.
    """
    files = sorted(walk_files(source), key=lambda f: f.relative)
    if not files:
        raise nothing_there()
    return files


def nothing_there() -> RayTruthError:
    """The error of a source without any file."""
    return RayTruthError(
        "The source folder is empty", where="the source given", do="give the folder that holds the export"
    )


def fingerprint(files: list[SourceFile], pseudonyms: Pseudonyms) -> str:
    """A keyed digest of the files' names and sizes, which tells whether a source has changed and nothing else."""
    return pseudonyms.of("source", *(f"{f.relative}\0{f.size}\0{f.refused}" for f in files))


def stamp(file: SourceFile) -> str:
    """What changes if a file does, or whether it may be read. Holds its name: not to be shown."""
    return f"{file.relative}\0{file.size}\0{file.modified}\0{os.access(file.path, os.R_OK)}"


def walk_files(source: Path) -> Iterator[SourceFile]:
    """What `list_files` lists, in no particular order and one folder's names at a time in memory.

    Raises RayTruthError if `source` is no folder.
    """
    if not source.is_dir():
        raise RayTruthError(
            "The source is not a folder",
            where="the source given",
            do="give the folder that holds the export; any depth of folders will do",
        )
    root = source.resolve()
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(source, onerror=unreadable.append):
        for path in (Path(folder, name) for name in (*folders, *names)):
            relative = str(path.relative_to(source))
            try:
                info = path.lstat()
            except OSError:
                if path.name not in folders:  # the walk comes upon these itself
                    yield SourceFile(str(path), relative, 0, "unreadable")
                continue
            if stat.S_ISLNK(info.st_mode):
                if not _leads_inside(path, root):
                    yield SourceFile(str(path), relative, 0, "link_outside")
            elif stat.S_ISREG(info.st_mode):
                yield SourceFile(str(path), relative, info.st_size, modified=info.st_mtime_ns)
            elif not stat.S_ISDIR(info.st_mode):
                yield SourceFile(str(path), relative, 0, "special_file")
    for error in unreadable:
        yield SourceFile(error.filename, str(Path(error.filename).relative_to(source)), 0, "unreadable")


def _leads_inside(link: Path, root: Path) -> bool:
    """Whether a link leads to a file or folder under `root`, which is listed in its own place, and not in a circle."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # dangling, or a loop
        return False
    circle = link.parent.resolve().is_relative_to(target)
    return target.is_relative_to(root) and not circle and (target.is_file() or target.is_dir())
