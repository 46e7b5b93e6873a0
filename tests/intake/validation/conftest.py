"""A root with a batch that passes every check, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.good_batches import BATCH, put_good_batch
from support.roots import small_root

from dagster_project.core.paths import Paths


@pytest.fixture(scope="session")
def good_root(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Paths:
    """A root with BATCH published. Not to be changed."""
    return Paths(made_once("good-batch", lambda folder: put_good_batch(small_root(folder), BATCH)))
