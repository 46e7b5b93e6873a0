"""One pull: list the studies of a PACS, fetch what is new and complete, and hand it over as a batch.

QIDO and C-FIND cannot list changes, and priors arrive late with old study dates. So the number of objects of each
study is recorded. A study is fetched if the number differs from what was fetched and stayed the same over two polls.
A poll lists recent study dates, a full sweep lists all dates.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from filelock import FileLock, Timeout

from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import log
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.pacs.client import Archive, Instance, RefusedObject, Study, Unanswered
from dagster_project.intake.pacs.connect import open_archive
from dagster_project.intake.pacs.incoming_batch import NEW, IncomingBatch, make_private
from dagster_project.intake.pacs.state import Candidate, State
from dagster_project.intake.root import Root

_GIVE_UP_AFTER = 3  # objects in a row that the PACS failed to send
_ROWS = 500


@dataclass(frozen=True)
class Pulled:
    """The result of a pull: `outcomes` counts objects by outcome, `waiting` counts studies not yet complete."""

    source: str
    batch: str | None
    outcomes: dict[str, int]
    studies: int
    waiting: int
    swept: bool


def pull(root: Root, source: str) -> Pulled:
    """Poll a source once, fetch up to `batch_images` images that are due, and move them to the inbox as one batch.

    If the PACS fails, the images fetched so far are handed over, and the next pull continues.
    Raises RayTruthError if another process pulls from the source, the PACS refuses, or it fails repeatedly.
    """
    with pulling(root, source) as (archive, state, incoming):
        one = _Pull(archive, state, incoming, root.settings, source)
        try:
            one.look()
            one.fetch()
        finally:
            one.batch = incoming.close()
        return Pulled(
            source, one.batch, dict(one.outcomes), state.seen(source, one.poll), state.waiting(source), one.sweeping
        )


@contextmanager
def pulling(root: Root, source: str) -> Iterator[tuple[Archive, State, IncomingBatch]]:
    """The PACS client, the state of the pulls and the open batch, for one process at a time.

    Raises RayTruthError if another process pulls from the source.
    """
    archive = open_archive(root.paths, root.settings.pacs, source)
    make_private(root.paths.pacs)
    state = None
    try:
        with FileLock(root.paths.pacs / f"{source}.lock", timeout=0):
            state = State(root.paths.pacs_state)
            yield archive, state, IncomingBatch(root.paths, source, state, root.settings.pacs.min_free_gb)
    except Timeout:
        raise RayTruthError(
            "Another process is pulling from this source", where=f"source {source}", do="wait until it has ended"
        ) from None
    finally:
        archive.close()
        if state:
            state.close()


class _Pull:
    """The steps of one pull and their counts."""

    def __init__(
        self, archive: Archive, state: State, incoming: IncomingBatch, settings: Settings, source: str
    ) -> None:
        self._archive, self._state, self._incoming = archive, state, incoming
        self._pacs, self._source = settings.pacs, source
        asked = self._pacs.model_dump_json(include={"modalities", "first_year", "max_megabytes"})
        self.poll, swept = state.begin_poll(source, asked)
        self.sweeping = swept is None or not 0 <= time.time() - swept < self._pacs.sweep_hours * 3600
        self.outcomes: Counter[str] = Counter()
        self.batch: str | None = None
        self._failures = 0

    def look(self) -> None:
        """Record the studies of the last days, or of all years.

        A sweep also marks recent studies to be checked object by object: an image may have been exchanged in a study.
        """
        tomorrow = date.today() + timedelta(days=1)  # the clock or time zone of the PACS may be ahead
        recent = tomorrow - timedelta(days=1 + self._pacs.recent_days)
        started = time.time()
        self._look_at(recent, tomorrow)
        if self.sweeping:
            self._state.look_into(self._source, self.poll)
            for first, last in months(date(self._pacs.first_year, 1, 1), recent - timedelta(days=1)):
                self._look_at(first, last)
            self._state.swept(self._source, started)

    def _look_at(self, first: date, last: date) -> None:
        for modality in self._pacs.modalities:
            rows = []
            for study in self._archive.studies(modality, first, last):
                rows.append((study.uid, self._count(study)))
                if len(rows) == _ROWS:
                    self._see(rows)
                    rows = []
            self._see(rows)

    def _count(self, study: Study) -> int:
        return sum(1 for _ in self._archive.instances(study.uid)) if study.objects is None else study.objects

    def _see(self, rows: list[tuple[str, int]]) -> None:
        self._state.see(self._source, self.poll, rows)

    def fetch(self) -> None:
        """Fetch settled studies until the batch is full."""
        for candidate in self._state.candidates(self._source, self.poll):
            if self._full():
                log.info("source %s: the batch is full; the next pull continues", self._source)
                return
            study = candidate if candidate.poll == self.poll else self._look_again(candidate)
            if study and study.settled:
                self._fetch_study(study)

    def _look_again(self, study: Candidate) -> Candidate | None:
        """The current state of a study that an earlier poll listed and this poll did not."""
        now = self._archive.study(study.uid)
        if now is None:
            self._state.gone(study)
            return None
        self._state.see(self._source, self.poll, [(study.uid, self._count(now))])
        return self._state.reread(study)

    def _fetch_study(self, study: Candidate) -> None:
        complete = True
        for instance in self._archive.instances(study.uid):
            if self._incoming.known(instance.uid):
                continue
            if self._full():
                return
            complete &= self._fetch_instance(instance)
        if complete:
            self._state.fetched(study)
        else:
            self._state.failed(study, self.poll)

    def _fetch_instance(self, instance: Instance) -> bool:
        """Whether the object arrived or was finally refused."""
        self._incoming.need_disk()
        try:
            outcome = self._incoming.keep_bytes(self._archive.fetch(instance), instance.uid)
        except RefusedObject as refusal:
            outcome = f"refused: {refusal}"
            self._incoming.refuse(outcome)
        except Unanswered:
            self.outcomes["failed"] += 1
            self._failures += 1
            if self._failures == _GIVE_UP_AFTER:
                raise
            return False
        self._failures = 0
        self.outcomes[outcome] += 1
        return True

    def _full(self) -> bool:
        return self.outcomes[NEW] >= self._pacs.batch_images


def months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The days from `first` to `last` in pieces of at most a month, because a PACS may silently cut long answers."""
    while first <= last:
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        yield first, min(following - timedelta(days=1), last)
        first = following
