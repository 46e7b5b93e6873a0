"""A folder tree of any depth as a source of files."""

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
    """One file of a source, with `size` in bytes and `modified` in ns since 1970 (0: unknown).

    `refused` is a reason code if the kind of file cannot be used.
    """

    path: str
    relative: str
    size: int
    refused: str = ""
    modified: int = 0


def list_files(source: Path) -> list[SourceFile]:
    """All files under `source`, sorted by relative path, and all unreadable folders, as refused.

    Links are not followed. A link to a place inside the source is ignored, because its target is listed anyway; other
    links are refused.

    Raises RayTruthError if `source` is not a folder or has no file. The message does not name the path.
    """
    files = sorted(walk_files(source), key=lambda f: f.relative)
    if not files:
        raise nothing_there()
    return files


def nothing_there() -> RayTruthError:
    """The error for a source without files."""
    return RayTruthError("The source folder is empty", where="the given source", do="give the folder with the export")


def fingerprint(files: list[SourceFile], pseudonyms: Pseudonyms) -> str:
    """A keyed digest of the files' names and sizes, which only shows whether a source has changed."""
    return pseudonyms.of("source", *(f"{f.relative}\0{f.size}\0{f.refused}" for f in files))


def stamp(file: SourceFile) -> str:
    """A text that changes if a file or its read permission changes. It contains the file name: do not show it."""
    return f"{file.relative}\0{file.size}\0{file.modified}\0{os.access(file.path, os.R_OK)}"


def walk_files(source: Path) -> Iterator[SourceFile]:
    """The files of `list_files` in no particular order, with the names of only one folder at a time in memory.

    Raises RayTruthError if `source` is not a folder.
    """
    if not source.is_dir():
        raise RayTruthError(
            "The source is not a folder",
            where="the given source",
            do="give the folder with the export; subfolders of any depth are read",
        )
    root = source.resolve()
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(source, onerror=unreadable.append):
        for path in (Path(folder, name) for name in (*folders, *names)):
            relative = str(path.relative_to(source))
            try:
                info = path.lstat()
            except OSError:
                if path.name not in folders:  # the walk reports folders itself
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
    """Whether a link leads to a file or folder under `root`, and not in a circle; the target is listed anyway."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # dangling, or a loop
        return False
    circle = link.parent.resolve().is_relative_to(target)
    return target.is_relative_to(root) and not circle and (target.is_file() or target.is_dir())
