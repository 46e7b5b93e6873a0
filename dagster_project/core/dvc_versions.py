"""Record a stage's outputs in DVC, so that `dvc status` is clean and `dvc repro` skips what Dagster did."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths

log = logging.getLogger("raytruth")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
os.environ.setdefault("ITERATIVE_DO_NOT_TRACK", "1")


def commit_stage(paths: Paths, stage: str) -> dict[str, str]:
    """Commit the outputs of a dvc.yaml stage; return output path -> DVC's hash (MD5), including files in folders.

    Without a DVC repository the files stay unversioned, and `version_of` gives the SHA-256 of the content.
    A lock allows one DVC call at a time, because DVC fails on a second one.
    Raises RayTruthError if dvc.yaml has no such stage.
    """
    if not (paths.root / ".dvc").is_dir():
        log.warning("no DVC repository here (no .dvc folder): nothing is versioned; `raytruth init` creates one")
        return {}
    with _one_at_a_time(paths):
        from dvc.exceptions import NoOutputOrStageError
        from dvc.repo import Repo

        # The names in DVC's run cache are relative to the current folder.
        with chdir(paths.root), Repo() as repo:
            try:
                (committed,) = repo.commit(target=stage, force=True)
            except NoOutputOrStageError:
                raise RayTruthError(
                    f"dvc.yaml has no stage {stage}",
                    where="dvc.yaml",
                    do="add it, as a new root of `raytruth init` has it; for a pretraining method see "
                    "docs/machine-learning.md. The outputs are kept",
                ) from None
            return {path: value for out in committed.outs for path, value in _hashes(out, paths.root)}


def version_of(paths: Paths, path: Path, versions: dict[str, str]) -> str:
    """The version of an output: DVC's hash if `commit_stage` gave one, else the SHA-256 of its content."""
    return versions.get(str(path.relative_to(paths.root))) or content_hash(path)


def _hashes(out: Any, root: Path) -> Iterator[tuple[str, str]]:
    path = os.path.relpath(out.fs_path, root)
    yield path, out.hash_info.value
    if out.hash_info.isdir:
        tree = out.get_obj() or out.obj
        for key, _, value in tree or ():
            yield os.path.join(path, *key), value.value  # noqa: PTH118 - keys are parts of relative names


@contextmanager
def _one_at_a_time(paths: Paths) -> Iterator[None]:
    with FileLock(paths.root / ".dvc" / "raytruth.lock"):
        yield
