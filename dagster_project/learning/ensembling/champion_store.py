"""Which model is the champion, and where its files are."""

from __future__ import annotations

from pathlib import Path

from dagster_project.core.atomic_io import content_hash, read_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths


def champion_hash(paths: Paths) -> str:
    """Content hash of the champion, or '' if there is none."""
    return str(read_json(paths.champion)["model"]) if paths.champion.exists() else ""


def champion_folder(paths: Paths) -> Path:
    """The champion's folder.

    Raises RayTruthError if there is no champion, or its files changed since it was promoted.
    """
    name = champion_hash(paths)
    if not name:
        raise RayTruthError("There is no champion yet", where=paths.place(paths.champion), do="run `raytruth promote`")
    folder = paths.champions_dir / name
    if not folder.exists() or content_hash(folder) != name:
        raise RayTruthError(
            "The champion's files are missing or were changed",
            where=paths.place(folder),
            do="bring them back with `dvc checkout`",
        )
    return folder
