"""The real Dagster UI and daemon on a root, as `raytruth ui` starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from dagster_project.cli.init import dagster_environment
from dagster_project.core.paths import Paths
from support.orthanc import free_port

PATIENCE = 300  # seconds; a tick comes every 30
_HERE = (sys.executable, "-c", "from dagster_project.cli.main import main; main()")


@dataclass(frozen=True)
class Served:
    """What runs: its root, the Dagster instance that it keeps, the UI's port."""

    paths: Paths
    instance: dg.DagsterInstance
    port: int

    def runs(self, job: str) -> list[dg.DagsterRun]:
        """The runs of a job, the latest first."""
        return [run for run in self.instance.get_runs() if run.job_name == job]


def wait_for(what: str, condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(2)
    raise AssertionError(f"not seen within {PATIENCE} s: {what}")


@contextmanager
def dagster_on(paths: Paths, log: Path, raytruth: Sequence[str] = _HERE) -> Iterator[Served]:
    """`raytruth ui` on a root until the block ends; what it says goes to `log`."""
    port = free_port()
    environment = dagster_environment(paths) | {"OMP_NUM_THREADS": "1"}
    command = [*raytruth, "--root", str(paths.root), "ui", "--port", str(port)]
    with log.open("w") as said:
        process = subprocess.Popen(
            command, env=environment, stdout=said, stderr=said, start_new_session=True, preexec_fn=_as_behind_nohup
        )
    try:
        wait_for("the web server", lambda: _answers(port) or process.poll())
        assert process.poll() is None, log.read_text()[-3000:]
        with dg.DagsterInstance.from_config(str(paths.dagster_home)) as instance:
            yield Served(paths, instance, port)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)  # SIGTERM must end it
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _as_behind_nohup() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
