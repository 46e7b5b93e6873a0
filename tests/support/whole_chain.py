"""Roots on which the whole chain learns just enough, and `raytruth` in a process of its own."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import yaml

from dagster_project.cli.main import main
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.batch_registry import register
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import list_files
from support.roots import small_root

NORTH = "north"  # the demonstration's name of the batch it learns from


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Result]
_ENOUGH = {  # on these few images, to be better than chance
    "profiles__quick__methods__simclr__epochs": 10,
    "profiles__quick__methods__byol__epochs": 10,
    "profiles__quick__methods__supcon__epochs": 20,
    "profiles__quick__methods__crossfit__epochs": 10,
    "monitoring__min_images": 30,
}
_KEY = "5e" * 32  # the pseudonym key decides the split


def learning_root(folder: Path) -> Paths:
    """A root that learns in about half a minute, with the same split each time."""
    paths = small_root(folder, **_ENOUGH)
    paths.pseudonym_key.touch(mode=0o600)
    paths.pseudonym_key.write_text(_KEY)
    return paths


def register_north(paths: Paths, source: Path) -> None:
    """Give the export the demonstration's name of it: batches' names stand in the tables that tests compare."""
    register(paths, load_pseudonyms(paths.pseudonym_key), NORTH, source, list_files(source))


def with_one_encoder(paths: Paths) -> Paths:
    """The root, of whose encoders only SimCLR's is trained: for what does not depend on how many there are."""
    settings = yaml.safe_load(paths.settings.read_text())
    settings["pretraining"]["methods"] = ["simclr"]
    paths.settings.write_text(yaml.safe_dump(settings))
    pipeline = yaml.safe_load((paths.root / "dvc.yaml").read_text())
    for encoder in ("encoder_byol", "encoder_supcon"):
        del pipeline["stages"][encoder]
        for stage in pipeline["stages"].values():
            stage["deps"] = [path for path in stage.get("deps", []) if path != f"models/{encoder}"]
    (paths.root / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    return paths


def run_raytruth(*words: object, root: Path | None = None, **options: object) -> subprocess.CompletedProcess[str]:
    """`raytruth [--root ROOT] WORDS`."""
    where = ["--root", str(root)] if root else []
    command = [sys.executable, "-c", "from dagster_project.cli.main import main; main()", *where, *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, **options)


def raytruth_here(*words: object, root: Path | None = None, cwd: Path | None = None) -> Result:
    """The same in this process, which has the slow libraries already: what is printed, and the exit status."""
    where = ["--root", str(root)] if root else []
    log = logging.getLogger("raytruth")
    before = log.handlers[:], log.level, log.propagate
    out, errors, status = io.StringIO(), io.StringIO(), 0
    with (
        redirect_stdout(out),
        redirect_stderr(errors),
        chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ),  # `raytruth demo` sets its root there for Dagster
        mock.patch.object(sys, "argv", ["raytruth", *where, *map(str, words)]),
    ):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            log.handlers[:], log.level, log.propagate = before
    return Result(status, out.getvalue(), errors.getvalue())
