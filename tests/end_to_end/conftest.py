"""The demonstration, made once, and the root on which it had learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.demonstration import Demonstration, demonstrate
from support.whole_chain import Command, raytruth_here

from dagster_project.core.paths import Paths


@pytest.fixture(scope="session")
def raytruth() -> Command:
    """`raytruth` in the test's own process: a process of its own takes seconds to import torch."""
    return raytruth_here


@pytest.fixture(scope="session")
def demonstration(made_once: Callable[..., Path], hospital: Path) -> Demonstration:
    """`raytruth demo`, run twice on one folder. Not to be changed: copy it first."""
    return Demonstration(made_once("demonstration", lambda folder: demonstrate(folder, hospital)))


@pytest.fixture(scope="session")
def learned(demonstration: Demonstration) -> Paths:
    """A root on which the whole chain has learned from `hospital`. Not to be changed: copy it first."""
    return demonstration.before_south
