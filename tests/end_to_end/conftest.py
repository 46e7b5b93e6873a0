"""A root that `raytruth run` has learned on, and the demonstration; each made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.demonstration import Demonstration, demonstrate
from support.whole_chain import Command, learning_root, raytruth_here, register_north

from dagster_project.core.paths import Paths


@pytest.fixture(scope="session")
def raytruth() -> Command:
    """`raytruth` in the test's own process: a process of its own takes seconds to import torch."""
    return raytruth_here


@pytest.fixture(scope="session")
def learned(made_once: Callable[..., Path], hospital: Path) -> Paths:
    """A root on which `raytruth run` has done the whole chain. Not to be changed: copy it first."""

    def make(folder: Path) -> None:
        paths, source = learning_root(folder), hospital / "dicom"
        register_north(paths, source)
        done = raytruth_here("run", source, root=paths.root)
        (folder / "run.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr[-3000:]

    return Paths(made_once("learned", make))


@pytest.fixture(scope="session")
def demonstration(made_once: Callable[..., Path], hospital: Path) -> Demonstration:
    """`raytruth demo`, run twice on one folder. Not to be changed: copy it first."""
    return Demonstration(made_once("demonstration", lambda folder: demonstrate(folder, hospital)))
