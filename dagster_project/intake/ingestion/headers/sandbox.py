"""Worker processes that contain hostile files: a memory limit per process, a time limit per file, safe crashes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from itertools import chain, islice
from threading import Lock
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from dagster_project.intake.ingestion.headers.reasons import RefusedFile

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
AHEAD = 8  # chunks per worker in progress or waiting: work for other workers while a file hangs, with bounded memory
_TASKS_PER_WORKER = 500  # then a new process starts, because decoders leak memory
_CHUNK = 32
# What workers need, which takes seconds to import: imported once, in a server that does nothing else but fork workers.
_IMPORTED_ONCE = [
    "dagster_project.intake.ingestion.headers.header_reader",
    "dagster_project.intake.ingestion.batch.pixel_reader",
]
_OUT_OF_MEMORY = 77  # exit status of a worker that reached its memory limit; its free memory may be fragmented
_GRACE = 60.0  # seconds after which a worker is killed if its own alarm did not end it


@dataclass(frozen=True)
class Limits:
    """`workers` 0: one per core; `memory_mb`: limit of a worker's address space; `seconds`: time limit per file."""

    workers: int
    memory_mb: int
    seconds: float


def contained_map(
    work: Callable[[I], O], items: Iterable[I], limits: Limits, *, chunk: int = _CHUNK
) -> Iterator[O | RefusedFile]:
    """Yield `work(item)` for every item, in order, computed in worker processes.

    Items are taken when needed, a few chunks ahead of the results.

    An item that exceeds the time limit or the memory limit, or crashes its process, gives a RefusedFile `too_slow`,
    `too_large` or `decoder_crashed`. The other items of its chunk are repeated. Except after a timeout, the item itself
    is repeated once, alone, because something else may have caused the failure.
    """
    workers = limits.workers or os.cpu_count() or 1
    source = iter(items)
    chunks = iter(lambda: list(islice(source, chunk)), [])
    first = list(islice(chunks, workers))
    with _Pool(work, limits, max(len(first), 1)) as pool:
        waiting: deque[_Part] = deque()
        for part in chain(first, chunks):
            waiting.append(pool.start(part))
            if len(waiting) > AHEAD * workers:
                yield from pool.results(waiting.popleft())
        while waiting:
            yield from pool.results(waiting.popleft())


class ContainedWorker(Generic[I, O]):
    """One permanent worker process for single items, with the same rules as `contained_map`.

    The process starts with the first item. Calls from several threads take turns.
    """

    def __init__(self, work: Callable[[I], O], limits: Limits) -> None:
        self._pool, self._turn = _Pool(work, limits, 1), Lock()

    def __call__(self, item: I) -> O | RefusedFile:
        """The result of `work(item)`, or the reason why there is none."""
        with self._turn:
            (result,) = self._pool.results(self._pool.start([item]))
        return result

    def close(self) -> None:
        """End the process at once."""
        self._pool.pool.stop()
        self._pool.pool.join()


@dataclass(frozen=True)
class _Part:
    """A chunk of items in progress."""

    items: list[Any]
    slot: int
    future: ProcessFuture
    alone: bool


class _Pool(Generic[I, O]):
    """`places[slot]` is the position of a worker in its chunk, in case the worker does not return."""

    def __init__(self, work: Callable[[I], O], limits: Limits, workers: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED_ONCE)
        self.run = _Run(work, limits.seconds)
        self.free = list(range(AHEAD * workers + 4))  # slots: waiting chunks, one being yielded, three being repeated
        self.places: MutableSequence[int] = context.RawArray("i", len(self.free))
        self.pool = ProcessPool(
            max_workers=workers,
            max_tasks=_TASKS_PER_WORKER,
            initializer=_limit_this_process,
            initargs=[limits.memory_mb, self.places],
            context=context,
        )

    def __enter__(self) -> _Pool[I, O]:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self.pool.stop() if error else self.pool.close()
        self.pool.join()

    def start(self, items: list[I], *, alone: bool = False) -> _Part:
        slot = self.free.pop()
        self.places[slot] = 0
        longest = self.run.seconds * len(items) + _GRACE
        return _Part(items, slot, self.pool.schedule(self.run, args=(slot, items), timeout=longest), alone)

    def results(self, part: _Part) -> Iterator[O | RefusedFile]:
        reason = ""
        try:
            results = part.future.result()
        except (FutureTimeoutError, ProcessExpired) as end:
            reason = _reason(end)
        place = self.places[part.slot]
        self.free.append(part.slot)
        yield from self._results_around(place, part, reason) if reason else results

    def _results_around(self, place: int, part: _Part, reason: str) -> Iterator[O | RefusedFile]:
        """The results of a chunk in which the item at `place` ended the process for `reason`."""
        culprit = part.items[place : place + 1]
        certain = part.alone or reason == "too_slow"
        again, before, after = (  # in this order, so that the culprit gets the new process
            self.start(items, alone=items is culprit) if items else None
            for items in ([] if certain else culprit, part.items[:place], part.items[place + 1 :])
        )
        if before:
            yield from self.results(before)
        yield from self.results(again) if again else [RefusedFile(reason)]
        if after:
            yield from self.results(after)


@dataclass(frozen=True)
class _Run(Generic[I, O]):
    """The work of a worker process on a chunk of items."""

    work: Callable[[I], O]
    seconds: float

    def __call__(self, slot: int, items: list[I]) -> list[O]:
        results = []
        for place, item in enumerate(items):
            _places[slot] = place
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
            try:
                results.append(self.work(item))
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        return results


_places: MutableSequence[int] = []  # in a worker: the places of the pool


def _limit_this_process(memory_mb: int, places: MutableSequence[int]) -> None:
    global _places
    _places = places
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, even in a decoder that hangs
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)  # messages of libraries contain values of the header
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # messages of C decoders contain them too


def _reason(end: BaseException) -> str:
    status = end.exitcode if isinstance(end, ProcessExpired) else -signal.SIGALRM
    return {-signal.SIGALRM: "too_slow", _OUT_OF_MEMORY: "too_large"}.get(status, "decoder_crashed")
