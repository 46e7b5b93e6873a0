"""The search for identities of a batch in all written files. It reports where an identity is, never which."""

from __future__ import annotations

import logging
import os
import sqlite3
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths, outputs
from dagster_project.intake.privacy.deidentification_report import add_scan
from dagster_project.intake.privacy.file_contents import Piece, pieces_of
from dagster_project.intake.privacy.identities import identities_of
from dagster_project.intake.privacy.search import Search
from dagster_project.intake.privacy.search_patterns import search_patterns_of

log = logging.getLogger("raytruth")
_UNREADABLE = (OSError, ValueError, EOFError, zlib.error, sqlite3.Error, zipfile.BadZipFile)
_HIDDEN = "…"  # replaces a part of a path that contains an identity


Found = Counter[tuple[str, str, str]]  # (batch, place, kind) -> times


@dataclass(frozen=True)
class Find:
    """`place` is a path under the root and the part of the file. `kind` is name, ID, UID or path."""

    batch: str
    place: str
    kind: str
    times: int


@dataclass
class Scan:
    """What a search covered and found. `unread` lists files that could not be read and were not searched."""

    identities: int
    left_out: dict[str, int]
    files: int = 0
    bytes: int = 0
    finds: list[Find] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether everything could be read and nothing was found."""
        return not self.finds and not self.unread

    def report(self, batch: str) -> dict[str, Any]:
        """The entry in the batch's report."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "identities": self.identities,
            "not_searched_for": self.left_out,
            "files": self.files,
            "bytes": self.bytes,
            "unread": self.unread,
            "found": [{"place": f.place, "kind": f.kind, "times": f.times} for f in self.finds if f.batch == batch],
        }


def scan(paths: Paths, batches: list[str], also: Iterable[Path] = ()) -> Scan:
    """Search all outputs of the root, and the files and folders `also`, for the identities of `batches`.

    Outputs are what RayTruth, Dagster and DVC write under the root. `data/private/` and `data/inbox/` are not searched,
    because identities belong there. The result is also added to each batch's report.
    """
    identities = identities_of(paths, batches)
    patterns = search_patterns_of(identities)
    result = Scan(len(identities), dict(patterns.left_out))
    search = Search(patterns)
    found: Found = Counter()
    contents: set[tuple[int, int]] = set()  # files already searched: a file can have several names (hard links)
    for path in _paths(paths, also):
        place = _look_at_name(path, paths.root, search, found)
        if path.is_file() and not path.is_symlink():
            info = path.stat()
            if (info.st_dev, info.st_ino) not in contents:
                _look_into(path, place, search, found, result)
            contents.add((info.st_dev, info.st_ino))
    result.finds = [Find(*what, times) for what, times in sorted(found.items())]
    for batch in batches:
        if paths.deidentification(batch).exists():
            add_scan(paths, batch, result.report(batch))
    return result


def _look_at_name(path: Path, root: Path, search: Search, found: Found) -> str:
    """Search the name of a file or folder, and return the name without identities."""
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    place = _shown(name, search)
    for identity in search.found(Piece("", os.fsencode(name))):
        found[identity.batch, f"{place} (its name)", identity.kind] += 1
    return place


def _look_into(path: Path, place: str, search: Search, found: Found, result: Scan) -> None:
    try:
        for piece in pieces_of(path):
            result.bytes += len(piece.data)
            for identity in search.found(piece):
                where = f"{place}: {_shown(piece.within, search)}" if piece.within else place
                found[identity.batch, where, identity.kind] += 1
    except FileNotFoundError:  # a temporary file that was removed after the listing
        return
    except _UNREADABLE:
        result.unread.append(place)
    result.files += 1


def _shown(name: str, search: Search) -> str:
    """A path without the parts that contain an identity; completely hidden if only the whole path contains one."""

    def holds(text: str) -> bool:
        return next(search.found(Piece("", os.fsencode(text))), None) is not None

    parts = [_HIDDEN if holds(part) else part for part in name.split("/")]
    shown = "/".join(parts)
    return _HIDDEN if holds(shown) else shown.encode("utf-8", "replace").decode()


def _paths(paths: Paths, also: Iterable[Path]) -> Iterator[Path]:
    """Files and folders to search, in order."""
    for place in also:
        if not place.exists():
            raise RayTruthError(
                "There is no such file or folder", where="a path to search in addition", do="give an existing path"
            )
    for place in (*outputs(paths), *also):
        yield from _below(place, {paths.private, paths.inbox})


def _below(place: Path, leave_out: set[Path]) -> Iterator[Path]:
    if place.is_dir() and not place.is_symlink():
        for folder, folders, names in os.walk(place):
            folders[:] = sorted(f for f in folders if Path(folder, f) not in leave_out)
            yield from (Path(folder, name) for name in (*folders, *sorted(names)))
    elif place.exists():
        yield place
