"""The worklist for people who answer with another tool."""

from __future__ import annotations

import shutil
from pathlib import Path

from dagster_project.core.atomic_io import replacing_dir
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.label_quality.review.cards import IMAGES, load_worklist
from dagster_project.label_quality.review.label_studio import write_project
from dagster_project.label_quality.review.spreadsheet import write_spreadsheet


def export_worklist(paths: Paths, regions: tuple[str, ...], folder: Path, to: str) -> int:
    """Make `folder` with the worklist for `to`, csv or label-studio; return how many cards it has.

    Raises RayTruthError if there is no worklist, or the folder exists: answers in it would be lost.
    """
    worklist = load_worklist(paths)
    if folder.exists():
        raise RayTruthError(
            "The folder to make exists already", where=folder.name, do="name another; nothing was written"
        )
    with replacing_dir(folder) as made:
        if to == "csv":
            write_spreadsheet(worklist, made / "worklist.csv")
            shutil.copytree(paths.worklist / IMAGES, made / IMAGES)
        else:
            write_project(worklist, regions, made)
    return len(worklist.cards)
