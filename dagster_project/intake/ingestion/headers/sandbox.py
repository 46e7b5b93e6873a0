"""Worker processes that no hostile file can harm: a memory cap each, a time limit a file, crashes survived."""

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
AHEAD = 8  # chunks a worker under way or waiting to be yielded: work for the others while one file hangs, and no more
_TASKS_PER_WORKER = 500  # then a fresh process, against leaks in decoders
_CHUNK = 32
_OUT_OF_MEMORY = 77  # exit status of a worker that reached its cap; what memory it has left may be in pieces
_GRACE = 60.0  # s after which a worker that its own alarm did not end is killed


@dataclass(frozen=True)
class Limits:
    """`workers` 0 means one a core; `memory_mb` caps a worker's address space; `seconds` is a file's time limit."""

    workers: int
    memory_mb: int
    seconds: float


def contained_map(
    work: Callable[[I], O], items: Iterable[I], limits: Limits, *, chunk: int = _CHUNK
) -> Iterator[O | RefusedFile]:
    """Yield `work(item)` for every item, in order, computed in worker processes.

    Items are taken as they are needed, a few chunks ahead of the results.

    In the place of an item that takes too long, needs more than the cap on memory, or takes its process down, stands a
    RefusedFile `too_slow`, `too_large` or `decoder_crashed`. The items that shared its process are done again, and so
    is, once and alone, the item itself if it did not just take too long: something else may have been to blame.
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
    """One worker process that is kept for single items as they come; `contained_map` says what holds for them.

    It starts with the first item. Calls from several threads take turns.
    """

    def __init__(self, work: Callable[[I], O], limits: Limits) -> None:
        self._pool, self._turn = _Pool(work, limits, 1), Lock()

    def __call__(self, item: I) -> O | RefusedFile:
        """`work(item)`, or why there is none."""
        with self._turn:
            (result,) = self._pool.results(self._pool.start([item]))
        return result

    def close(self) -> None:
        """End the process, whatever it does."""
        self._pool.pool.stop()
        self._pool.pool.join()


@dataclass(frozen=True)
class _Part:
    """A chunk of items under way."""

    items: list[Any]
    slot: int
    future: ProcessFuture
    alone: bool


class _Pool(Generic[I, O]):
    """`places[slot]` says at which place of a chunk its worker is, for when the worker does not come back."""

    def __init__(self, work: Callable[[I], O], limits: Limits, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.run = _Run(work, limits.seconds)
        self.free = list(range(AHEAD * workers + 4))  # as many as waiting, one being yielded, three done again
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
        """Results of a chunk whose item at `place` ended its process for `reason`."""
        culprit = part.items[place : place + 1]
        certain = part.alone or reason == "too_slow"
        again, before, after = (  # in this order: the fresh process is the culprit's
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
    """What a worker does with a chunk of items."""

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


_places: MutableSequence[int] = []  # in a worker: the pool's


def _limit_this_process(memory_mb: int, places: MutableSequence[int]) -> None:
    global _places
    _places = places
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, also out of a decoder that never comes back
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)  # libraries' messages repeat values of the header
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # and so do C decoders' complaints


def _reason(end: BaseException) -> str:
    status = end.exitcode if isinstance(end, ProcessExpired) else -signal.SIGALRM
    return {-signal.SIGALRM: "too_slow", _OUT_OF_MEMORY: "too_large"}.get(status, "decoder_crashed")
