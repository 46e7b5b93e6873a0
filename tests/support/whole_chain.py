"""Roots on which the whole chain learns just enough, and `raytruth` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from dagster_project.core.paths import Paths
from support.roots import small_root

PATIENTS, SEED = 90, 7
Command = Callable[..., subprocess.CompletedProcess[str]]
_ENOUGH = {  # on these few images, to be better than chance
    "profiles__quick__methods__simclr__epochs": 10,
    "profiles__quick__methods__byol__epochs": 10,
    "profiles__quick__methods__supcon__epochs": 20,
    "profiles__quick__methods__crossfit__epochs": 10,
}
_KEY = "5e" * 32  # the pseudonym key decides the split


def learning_root(folder: Path) -> Paths:
    """A root that learns in about half a minute, with the same split each time."""
    paths = small_root(folder, **_ENOUGH)
    paths.pseudonym_key.touch(mode=0o600)
    paths.pseudonym_key.write_text(_KEY)
    return paths


def run_raytruth(*words: object, root: Path | None = None, **options: object) -> subprocess.CompletedProcess[str]:
    """`raytruth [--root ROOT] WORDS`."""
    where = ["--root", str(root)] if root else []
    command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", *where, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, **options)
