"""Pretraining as a stage: several encoders at once on a CPU, each in its own process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
import signal
import threading
import traceback
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from dagster_project.core.atomic_io import write_text
from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import log
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.cpu_parallelism import encoders_at_once
from dagster_project.learning.encoders.device import processes
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.plan import (
    EncoderSummary,
    encoder_names,
    kept_encoder,
    plan_of,
    waits_for_reference,
)


def pretrain(root: Root, *methods: str) -> list[EncoderSummary]:
    """Pretrain the encoders of the given methods of the registry, each with `pretrain_encoder`.

    If the profile trains no encoder, their folders stay as they are, or are made without an encoder: DVC expects them.

    On a CPU as many at once as there are cores, at most four; otherwise one after another. If one encoder fails, the
    others are stopped, and continue from their checkpoints in the next run.
    Raises RayTruthError if a method is unknown, an encoder cannot be trained, or its process is killed.
    """
    names = [name for method in methods for name in encoder_names(root.settings, method)]
    if not root.settings.learning.trains:
        for name in dict.fromkeys(name.split("/")[0] for name in names):
            _keep_folder(root, name)
        return []
    at_once = encoders_at_once(root.settings.learning)
    waiting = {name for name in names if waits_for_reference(root, name)}
    made: dict[str, EncoderSummary] = {}
    for group in ([name for name in names if name not in waiting], [name for name in names if name in waiting]):
        made |= {name: summary for name in group if (summary := kept_encoder(root, plan_of(root, name)))}
        left = [name for name in group if name not in made]
        if at_once == 1 or len(left) == 1:
            made |= {name: _pretrain_encoder(root, name) for name in left}
        else:
            made |= _in_processes(root, left, at_once)
    if CROSSFIT.name in methods and processes().rank == 0:
        folds = set(root.paths.encoder(CROSSFIT.encoder).glob("fold_*"))
        for other in folds - {root.paths.encoder(name) for name in names}:
            shutil.rmtree(other)  # from settings with more folds
    return [made[name] for name in names]


def _pretrain_encoder(root: Root, name: str) -> EncoderSummary:
    from dagster_project.learning.pretraining.encoder import pretrain_encoder  # here: only who trains needs Lightning

    return pretrain_encoder(root, name)


def _keep_folder(root: Root, name: str) -> None:
    folder = root.paths.encoder(name)
    log.info("%s is not trained: profile %s trains no encoder", name, root.settings.profile)
    if not folder.exists():
        folder.mkdir(parents=True)
        write_text(folder / "not_trained.txt", f"Profile {root.settings.profile} trains no encoder.\n")


def _in_processes(root: Root, names: list[str], at_once: int) -> dict[str, EncoderSummary]:
    """A process trains one encoder after another, because each start takes seconds to import torch.

    Each process has its own pipe, because a killed process could leave a shared pipe locked.
    """
    waiting, made = list(names), dict[str, EncoderSummary]()
    at_work: dict[Connection, tuple[str, BaseProcess]] = {}
    try:
        for _ in range(min(at_once, len(names))):
            here, process = _start(root)
            at_work[here] = waiting[0], process
            _send(here, waiting.pop(0), process)
        while at_work:
            ready = wait(list(at_work))
            for here in [one for one in at_work if one in ready]:
                name, process = at_work[here]
                message = _receive(here, name, process)
                if isinstance(message, EncoderSummary):
                    made[name] = message
                    if waiting:
                        at_work[here] = waiting[0], process
                        _send(here, waiting.pop(0), process)
                    else:
                        here.close()  # which ends the process
                        process.join()
                        del at_work[here]
                elif isinstance(message, BaseException):
                    raise message
                else:
                    logging.getLogger(message.name).handle(message)
    finally:
        for _, process in at_work.values():
            process.kill()  # it continues from its checkpoint, which is always complete
        for _, process in at_work.values():
            process.join()
    return made


def _start(root: Root) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_train, args=(there, root), daemon=True)
    process.start()
    there.close()  # only the other process holds this end now, so its death is noticed here
    return here, process


def _send(here: Connection, name: str, process: BaseProcess) -> None:
    try:
        here.send(name)
    except OSError as error:
        raise _ended(name, process) from error


def _receive(here: Connection, name: str, process: BaseProcess) -> logging.LogRecord | EncoderSummary | BaseException:
    try:
        return here.recv()
    except (EOFError, OSError) as error:
        raise _ended(name, process) from error


def _ended(name: str, process: BaseProcess) -> RayTruthError:
    process.join()
    return RayTruthError(
        f"The process of {name} ended unexpectedly (exit code {process.exitcode})",
        where="pretrain",
        do="check that the machine has enough memory; the same command continues from the last epoch",
    )


def _train(there: Connection, root: Root) -> None:
    """The work of such a process: train what the parent names, log to it, send the summary or the error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log.handlers[:] = [_Sender(there)]
    log.setLevel(logging.INFO)
    log.propagate = False
    while name := _next(there):
        try:
            there.send(_pretrain_encoder(root, name))
        except Exception as error:  # noqa: BLE001 (raised by the parent)
            error.add_note(f"In the process of {name}:\n{traceback.format_exc()}")
            there.send(error)


def _next(there: Connection) -> str:
    """The next encoder to train, empty at the end."""
    try:
        return there.recv()
    except EOFError:
        return ""


class _Sender(logging.Handler):
    """Sends records through a pipe."""

    def __init__(self, there: Connection) -> None:
        super().__init__()
        self._there = there

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None  # a record must be picklable
        self._there.send(record)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
