"""Worker processes that no hostile file can harm: a memory cap each, a time limit a file, crashes survived."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from dagster_project.ingestion.reasons import RefusedFile

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
_TASKS_PER_WORKER = 500  # then a fresh process, against leaks in decoders
_CHUNK = 32
_AHEAD = 2  # chunks a worker that are under way or wait to be yielded, so that results never pile up


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

    Where a chunk of items runs into a limit or takes its process down, its items are done again one by one, so that
    only the culprit is refused: its place holds a RefusedFile `too_slow`, `too_large` or `decoder_crashed`.
    """
    workers = limits.workers or os.cpu_count() or 1
    source = iter(items)
    chunks = iter(lambda: list(islice(source, chunk)), [])
    first = list(islice(chunks, workers))
    run: Callable[[list[I]], list[O | RefusedFile]] = _Chunk(work)
    with ProcessPool(
        max_workers=max(len(first), 1),
        max_tasks=_TASKS_PER_WORKER,
        initializer=_limit_this_process,
        initargs=[limits.memory_mb],
        context=multiprocessing.get_context("spawn"),
    ) as pool:
        waiting: deque[tuple[list[I], ProcessFuture]] = deque()
        try:
            for part in chain(first, chunks):
                waiting.append((part, pool.schedule(run, args=(part,), timeout=limits.seconds)))
                if len(waiting) > _AHEAD * workers:
                    yield from _results(pool, run, *waiting.popleft(), limits)
            while waiting:
                yield from _results(pool, run, *waiting.popleft(), limits)
        except BaseException:
            pool.stop()
            raise


@dataclass(frozen=True)
class _Chunk(Generic[I, O]):
    work: Callable[[I], O]

    def __call__(self, items: list[I]) -> list[O | RefusedFile]:
        return [self.work(item) for item in items]


def _results(
    pool: ProcessPool,
    run: Callable[[list[I]], list[O | RefusedFile]],
    part: list[I],
    future: ProcessFuture,
    limits: Limits,
) -> Iterator[O | RefusedFile]:
    try:
        results = future.result()
    except (FutureTimeoutError, ProcessExpired, MemoryError):
        results = (_alone(pool, run, item, limits) for item in part)
    yield from results


def _alone(pool: ProcessPool, run: Callable[[list[I]], list[O]], item: I, limits: Limits) -> O | RefusedFile:
    try:
        return pool.schedule(run, args=([item],), timeout=limits.seconds).result()[0]
    except FutureTimeoutError:
        return RefusedFile("too_slow")
    except ProcessExpired:
        return RefusedFile("decoder_crashed")
    except MemoryError:
        return RefusedFile("too_large")


def _limit_this_process(memory_mb: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)  # libraries' messages repeat values of the header
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # and so do C decoders' complaints
