"""The command line's commands, and one way to run them in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dagster_project.cli.main import app

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands if command.callback)


def raytruth(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from dagster_project.cli.main import main; main()", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
    )
