"""Progress of long work: a bar in a terminal, otherwise log lines (Dagster shows the `raytruth` logger)."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
log = logging.getLogger("raytruth")
_LOG_EVERY_SECONDS = 15.0


def in_terminal() -> bool:
    """Whether standard error is a terminal; False in a worker process, because its parent shows the progress."""
    return sys.stderr.isatty() and multiprocessing.parent_process() is None


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield `items`, and show how many of `total` are done."""
    if in_terminal():
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, transient=True) as bar:
            yield from bar.track(items, total=total, description=what)
        return
    last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last > _LOG_EVERY_SECONDS:
            last = time.monotonic()
            log.info("%s: %d of %d", what, done, total)


def show_logs() -> None:
    """Send the `raytruth` logger to standard error, for the command line."""
    from rich.console import Console
    from rich.logging import RichHandler

    handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False, omit_repeated_times=False)
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
