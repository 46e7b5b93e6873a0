"""`raytruth receive` as a process of its own, and dcmtk's sender."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from dagster_project.core.paths import Paths
from support.orthanc import STORESCU, free_port
from support.pacs import configure

HERE = ["127.0.0.0/8"]


@contextmanager
def receiving(root: Paths, **receive: object) -> Iterator[subprocess.Popen]:
    """The command running; ends with Ctrl-C, as whoever stops it would do."""
    configure(root, receive={"allowed": {"STORESCU": HERE}, "port": free_port(), "quiet_seconds": 3600} | receive)
    process = start(root)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)
        assert process.returncode in (0, -signal.SIGKILL), said


def start(root: Paths) -> subprocess.Popen:
    command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", "--root", str(root.root)]
    process = subprocess.Popen([*command, "receive"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    line = process.stdout.readline()
    assert "listens" in line, (line, process.stderr and process.stderr.read())
    return process


def port_of(root: Paths) -> int:
    return int(yaml.safe_load(root.settings.read_text())["pacs"]["receive"]["port"])


def storescu(
    root: Paths, *files: Path, calling: str = "STORESCU", called: str = "RAYTRUTH", options: Sequence[str] = ()
) -> str:
    """What dcmtk's sender says; '' if everything was stored."""
    peer = ["-aet", calling, "-aec", called, "127.0.0.1", str(port_of(root))]
    command = [STORESCU or "storescu", *options, *peer]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=180)
    return "" if done.returncode == 0 else done.stdout + done.stderr + f"status {done.returncode}"
