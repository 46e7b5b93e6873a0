"""A folder tree of any shape as a source of files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import RayTruthError
from dagster_project.ingestion.pseudonyms import Pseudonyms


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. `refused` is a reason code if its kind alone rules it out."""

    path: str
    relative: str
    size: int
    refused: str = ""


def list_files(source: Path) -> list[SourceFile]:
    """Every file under `source`, sorted by relative path; links are followed to files inside the source only.

    Raises RayTruthError if `source` is no folder or holds no file. The message does not name the path.
    """
    if not source.is_dir():
        raise RayTruthError(
            "The source is not a folder",
            where="the source given",
            do="give the folder that holds the export; any depth of folders will do",
        )
    files = sorted(_walk(source), key=lambda f: f.relative)
    if not files:
        raise RayTruthError(
            "The source folder is empty", where="the source given", do="give the folder that holds the export"
        )
    return files


def fingerprint(files: list[SourceFile], pseudonyms: Pseudonyms) -> str:
    """A keyed digest of the files' names and sizes, which tells whether a source has changed and nothing else."""
    return pseudonyms.of("source", *(f"{f.relative}\0{f.size}\0{f.refused}" for f in files))


def _walk(source: Path) -> Iterator[SourceFile]:
    root = source.resolve()
    seen: set[Path] = set()
    links: list[tuple[Path, str]] = []
    for folder, _, names in os.walk(source):
        for path in (Path(folder, name) for name in names):
            relative = str(path.relative_to(source))
            try:
                info = path.lstat()
            except OSError:
                yield SourceFile(str(path), relative, 0, "unreadable")
                continue
            if stat.S_ISLNK(info.st_mode):
                links.append((path, relative))
            elif not stat.S_ISREG(info.st_mode):
                yield SourceFile(str(path), relative, 0, "special_file")
            else:
                seen.add(path.resolve())
                yield SourceFile(str(path), relative, info.st_size)
    for path, relative in links:
        target = _target(path)
        if target is None or not target.is_relative_to(root) or not target.is_file():
            yield SourceFile(str(path), relative, 0, "link_outside")
        elif target not in seen:  # else the target is listed in its own place
            yield SourceFile(str(target), relative, target.stat().st_size)


def _target(link: Path) -> Path | None:
    try:
        return link.resolve(strict=True)
    except (OSError, RuntimeError):  # dangling, or a loop
        return None
