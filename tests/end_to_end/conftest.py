"""A small synthetic hospital and a root on which the whole chain has run, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.whole_chain import PATIENTS, SEED, Command, learning_root, raytruth_here

from dagster_project.core.paths import Paths


@pytest.fixture(scope="session")
def raytruth() -> Command:
    """`raytruth` in the test's own process: a process of its own takes seconds to import torch."""
    return raytruth_here


@pytest.fixture(scope="session")
def hospital(made_once: Callable[..., Path]) -> Path:
    """An export of the synthetic hospital: `dicom/` and `truth.csv`."""

    def make(folder: Path) -> None:
        from raytruth_phantom.hospital import write_hospital

        write_hospital(folder, patients=PATIENTS, seed=SEED)

    return made_once("hospital", make)


@pytest.fixture(scope="session")
def learned(made_once: Callable[..., Path], hospital: Path) -> Paths:
    """A root on which `raytruth run` has done the whole chain. Not to be changed: copy it first."""

    def make(folder: Path) -> None:
        paths = learning_root(folder)
        done = raytruth_here("run", hospital / "dicom", root=paths.root)
        (folder / "run.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr[-3000:]

    return Paths(made_once("learned", make))
