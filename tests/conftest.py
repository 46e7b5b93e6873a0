"""Fixtures shared by all tests. What takes long is made once, also where tests run in several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

settings.register_profile("raytruth", deadline=None)  # no test depends on how fast the machine is
settings.load_profile("raytruth")
for name in ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "ITERATIVE_DO_NOT_TRACK"):
    os.environ[name] = "1"
os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ.pop("RAYTRUTH_ROOT", None)
signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, a process would ignore Ctrl-C


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """`made_once(name, make)` calls `make(folder)` in one of the test processes only and returns the folder to all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def get(name: str, make: Callable[[Path], object]) -> Path:
        folder = shared / name
        with FileLock(shared / f"{name}.lock"):
            if not (shared / f"{name}.made").exists():
                make(folder)
                (shared / f"{name}.made").touch()
        return folder

    return get


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal so wide that commands wrap no line, whatever this one is."""
    from dagster_project.cli.common import out

    monkeypatch.setattr(out, "width", 400)
