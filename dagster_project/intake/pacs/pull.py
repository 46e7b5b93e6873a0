"""One pull: look what a PACS holds, fetch what is new and settled, hand it over as a batch.

QIDO and C-FIND cannot ask what changed since, and priors arrive late with old study dates. So each study's number of
objects is kept: it is fetched when that differs from what was fetched, and stood still over two polls. Polls look at
recent study dates, a full sweep at all.
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
    """What a pull did: `outcomes` counts objects by what became of them, `waiting` studies not fetched in full yet."""

    source: str
    batch: str | None
    outcomes: dict[str, int]
    studies: int
    waiting: int
    swept: bool


def pull(root: Root, source: str) -> Pulled:
    """Poll a source once, fetch what is due, up to `batch_images`, and move it to the inbox as one batch.

    What was fetched is handed over even if the PACS fails in between; the next pull goes on.
    Raises RayTruthError if another process pulls from it, or the PACS cannot be asked or fails over and over.
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
    """The PACS, what was taken in, and the open batch, for one process at a time.

    Raises RayTruthError if another process pulls from it.
    """
    archive = open_archive(root.paths, root.settings.pacs, source)
    make_private(root.paths.pacs)
    state = None
    try:
        with FileLock(root.paths.pacs / f"{source}.lock", timeout=0):
            state = State(root.paths.pacs_state)
            yield archive, state, IncomingBatch(root.paths, source, state, root.settings.pacs.min_free_gb)
    except Timeout:
        raise RayTruthError("Another process is pulling", where=f"source {source}", do="wait for it") from None
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
        """Note which studies there are, of the last days or of all years.

        A sweep also has those of the last days looked into: one image may have taken another's place in them.
        """
        tomorrow = date.today() + timedelta(days=1)  # the PACS's clock, or its time zone, may be ahead
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
                log.info("source %s: the batch is full; the next pull goes on", self._source)
                return
            study = candidate if candidate.poll == self.poll else self._look_again(candidate)
            if study and study.settled:
                self._fetch_study(study)

    def _look_again(self, study: Candidate) -> Candidate | None:
        """A study of an earlier poll whose date this one did not ask for."""
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
        """Whether the object came, or was refused for good."""
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
    """The days from `first` to `last` in pieces of at most a month: a PACS may cut a long answer off in silence."""
    while first <= last:
        following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
        yield first, min(following - timedelta(days=1), last)
        first = following
