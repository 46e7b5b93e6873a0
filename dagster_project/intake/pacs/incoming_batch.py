"""A source's open batch: objects arrive one by one, each complete or not at all; the batch moves to the inbox whole.

Files are named by keyed pseudonyms of their UIDs. If the process is killed, nothing is lost and nothing is taken in
twice: a file is durable before it is recorded, and `_recover` records files that are not recorded yet.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.batch_registry import registered_batches
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.pacs.content_digest import content_digest
from dagster_project.intake.pacs.log_suppression import silence_pydicom
from dagster_project.intake.pacs.state import State

NEW, KNOWN, CONFLICT, REPLACED = "arrived", "known already", "same UID, other content", "replaced"
UNFINISHED_AFTER = 3600.0  # seconds after which an incomplete object counts as abandoned by its sender


class IncomingBatch:
    """The open batch of one source. Safe for threads; only one process per source may use it (see `pulling`)."""

    def __init__(self, paths: Paths, source: str, state: State, min_free_gb: float) -> None:
        silence_pydicom()
        self._paths, self._source, self._state = paths, source, state
        self._min_free = min_free_gb * 1e9
        self._pseudonyms = load_pseudonyms(paths.pseudonym_key)
        self._open, self.spool = paths.incoming_batch(source), paths.spool(source)
        self._lock = threading.Lock()
        for folder in (self._open, self.spool, paths.inbox):
            make_private(folder)
        self._recover()

    def _recover(self) -> None:
        """After a kill: record the files in the open batch, and remove incomplete objects."""
        for file in self._open.iterdir():
            self._state.took_in(file.stem, content_digest(file))
        self.remove_unfinished(older_than=0)

    def remove_unfinished(self, older_than: float = UNFINISHED_AFTER) -> None:
        """Remove objects that are incomplete and at least `older_than` seconds old."""
        for file in self.spool.iterdir():
            if time.time() - file.stat().st_mtime >= older_than:
                file.unlink(missing_ok=True)

    def known(self, uid: str) -> bool:
        """Whether the object with that SOP Instance UID was taken in before, from any source."""
        return self._state.knows(self._image(uid))

    def disk_is_low(self) -> bool:
        """Whether the free disk space is below the limit."""
        return shutil.disk_usage(self._open).free < self._min_free

    def need_disk(self) -> None:
        """Raise RayTruthError if the free disk space is below the limit."""
        if self.disk_is_low():
            raise RayTruthError(
                "Too little disk space is free for more images",
                where=f"source {self._source}",
                do="free disk space, or lower pacs.min_free_gb; the next pull continues",
            )

    def keep(self, spooled: Path, uid: str) -> str:
        """Take in a complete file of the spool folder, and return NEW, KNOWN or CONFLICT; the caller removes the file.

        Other content under a known UID is set aside and goes into no batch; the first content stays in use.
        """
        with spooled.open("rb") as f:
            os.fsync(f.fileno())
        image, digest = self._image(uid), content_digest(spooled)
        final = self._open / f"{image}.dcm"
        with self._lock:
            if final.exists():  # perhaps not recorded because the disk was full
                self._state.took_in(image, content_digest(final))
            known = self._state.took_in(image, digest, lambda: _link(spooled, final))
            outcome = NEW if known is None else KNOWN if known == digest else CONFLICT
            if outcome == CONFLICT:
                self._set_aside(spooled, image, digest)
        self._state.tally(self._source, outcome)
        return outcome

    def keep_bytes(self, content: bytes, uid: str, how: Callable[[Path, str], str] | None = None) -> str:
        """Apply `keep`, or `how`, to an object in memory."""
        spooled = self.spool / self._image(uid)
        spooled.touch(mode=0o600)
        try:
            spooled.write_bytes(content)
            return (how or self.keep)(spooled, uid)
        finally:
            spooled.unlink(missing_ok=True)

    def replace(self, spooled: Path, uid: str) -> str:
        """`keep`, but this file replaces other content under its UID in the inbox, which is set aside: REPLACED.

        If the image is in a batch outside the inbox, that batch stays as it is and this file is set aside: CONFLICT.
        """
        image, digest = self._image(uid), content_digest(spooled)
        there = list(self._paths.inbox.glob(f"*/{image}*.dcm"))
        if not there:
            return self.keep(spooled, uid)
        others = {old: before for old in there if (before := content_digest(old)) != digest}
        if len(others) == len(there):  # otherwise a kill left both contents
            with spooled.open("rb") as f:
                os.fsync(f.fileno())
            # A batch counts as changed if file names or sizes differ, so the file name must be new.
            _link(spooled, there[0].with_name(f"{image}-{time.time_ns()}.dcm"))
        for old, before in others.items():
            self._set_aside(old, image, before)
            old.unlink()
            _sync(old.parent)
        self._state.replaced(image, digest)
        outcome = REPLACED if others else KNOWN
        self._state.tally(self._source, outcome)
        return outcome

    def _set_aside(self, file: Path, image: str, digest: str) -> None:
        make_private(self._paths.set_aside(self._source))
        _link(file, self._paths.set_aside(self._source) / f"{image}-{digest[:16]}.dcm")

    def refuse(self, reason: str) -> None:
        """Count a refusal."""
        self._state.tally(self._source, reason)

    def size(self) -> int:
        """The number of images in the open batch."""
        return sum(1 for _ in os.scandir(self._open))

    def quiet_for(self) -> float:
        """Seconds since the last image came into the open batch."""
        return time.time() - self._open.stat().st_mtime

    def close(self) -> str | None:
        """Move the open batch to the inbox in one step, and return its name, or None if it is empty.

        Raises RayTruthError if the inbox is on another disk.
        """
        with self._lock:
            if not self.size():
                return None
            name = self._free_name()
            try:
                self._open.rename(self._paths.inbox / name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                raise RayTruthError(
                    "data/inbox/ and data/private/ are on different disks, so a batch cannot be moved in one step",
                    where=f"source {self._source}",
                    do="put both folders on one disk; nothing was lost",
                ) from None
            make_private(self._open)
            for folder in (self._open.parent, self._paths.inbox):
                _sync(folder)
            return name

    def _free_name(self) -> str:
        """Source and time (UTC) in pairs of digits: longer numbers may repeat a patient's ID, which is refused."""
        taken = set(registered_batches(self._paths))
        while True:
            name = f"{self._source}_{datetime.now(UTC):%y-%m-%d_%H-%M-%S}"
            if name not in taken and not (self._paths.inbox / name).exists():
                return name
            time.sleep(0.2)

    def _image(self, uid: str) -> str:
        return self._pseudonyms.of("arrival", uid)


def make_private(folder: Path) -> None:
    """Create a folder, and its parents, that only the owner can read."""
    if not folder.exists():
        make_private(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)


def _link(spooled: Path, final: Path) -> None:
    """Give a durable file its final name; an existing file of that name stays."""
    try:
        os.link(spooled, final)
    except FileExistsError:
        return
    _sync(final.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
