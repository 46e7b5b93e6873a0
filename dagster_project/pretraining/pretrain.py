"""Pretraining as a stage: several encoders at once on a CPU, each in a process of its own."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import threading
from logging.handlers import QueueHandler, QueueListener

from pebble import ProcessExpired, ProcessPool

from dagster_project.errors import RayTruthError
from dagster_project.layout import CROSSFIT, Layout
from dagster_project.params import Params
from dagster_project.pretraining.device import processes
from dagster_project.pretraining.encoder import EncoderSummary, encoder_names, pretrain_encoder, waits_for_simclr
from dagster_project.pretraining.threads import encoders_at_once
from dagster_project.progress import log


def pretrain(layout: Layout, params: Params, *methods: str) -> list[EncoderSummary]:
    """Pretrain the encoders of the given methods (simclr, byol, supcon, crossfit), as `pretrain_encoder` does each.

    On a CPU as many at once as it has cores, at most four, else one after another. When one fails the others are
    stopped, and go on from their checkpoints the next time.
    Raises RayTruthError if a method is unknown, an encoder cannot be trained, or its process is killed.
    """
    names = [name for method in methods for name in encoder_names(params, method)]
    at_once = encoders_at_once(params.learning)
    waiting = {name for name in names if waits_for_simclr(layout, params, name)}
    made: dict[str, EncoderSummary] = {}
    for group in ([name for name in names if name not in waiting], [name for name in names if name in waiting]):
        if min(at_once, len(group)) > 1:
            made |= _in_processes(layout, params, group, min(at_once, len(group)))
        else:
            made |= {name: pretrain_encoder(layout, params, name) for name in group}
    if "crossfit" in methods and processes().rank == 0:
        for other in set(layout.encoder(CROSSFIT).glob("fold_*")) - {layout.encoder(name) for name in names}:
            shutil.rmtree(other)  # of a time with more folds
    return [made[name] for name in names]


def _in_processes(layout: Layout, params: Params, names: list[str], at_once: int) -> dict[str, EncoderSummary]:
    context = multiprocessing.get_context("spawn")
    records = context.Queue()
    listener = QueueListener(records, _Here())
    listener.start()
    try:
        with ProcessPool(max_workers=at_once, initializer=_prepare, initargs=[records], context=context) as pool:
            futures = {name: pool.schedule(pretrain_encoder, args=(layout, params, name)) for name in names}
            try:
                return {name: future.result() for name, future in futures.items()}
            except BaseException:
                pool.stop()
                raise
    except ProcessExpired as error:
        raise RayTruthError(
            f"The process of an encoder ended of itself (exit code {error.exitcode})",
            where="pretrain",
            do="see that the machine has memory enough; the same command goes on from the last epoch",
        ) from error
    finally:
        listener.stop()


class _Here(logging.Handler):
    """Gives what another process logged to this one's loggers."""

    def emit(self, record: logging.LogRecord) -> None:
        logging.getLogger(record.name).handle(record)


def _prepare(records: multiprocessing.Queue[logging.LogRecord]) -> None:
    """Log to the parent process, and do not outlive it."""
    log.handlers[:] = [QueueHandler(records)]
    log.setLevel(logging.INFO)
    log.propagate = False
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
