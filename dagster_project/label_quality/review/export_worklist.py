"""Export of the worklist for other tools."""

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
    """Create `folder` with the worklist for the tool `to`, csv or label-studio; return the number of cards.

    Raises RayTruthError if there is no worklist, or the folder exists, because answers in it would be lost.
    """
    worklist = load_worklist(paths)
    if folder.exists():
        raise RayTruthError(
            "The folder to create exists already", where=folder.name, do="choose another name; nothing was written"
        )
    with replacing_dir(folder) as made:
        if to == "csv":
            write_spreadsheet(worklist, made / "worklist.csv")
            shutil.copytree(paths.worklist / IMAGES, made / IMAGES)
        else:
            write_project(worklist, regions, made)
    return len(worklist.cards)
