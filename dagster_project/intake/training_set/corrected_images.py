"""Images of the training set, with sure turns and inversions corrected. The stored images stay as they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.intake.ingestion.pixels.turning import TURNS, turned
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, reduced


def gather_corrected(root: Root, table: pd.DataFrame, px: int) -> np.ndarray:
    """Like `gather_images`, but upright where a turn or an inversion is surer than `orientation.correct_above`.

    Without this setting, or for images that were not judged, the same as `gather_images`.
    """
    corrections = _corrections(root, table)
    if not corrections:
        return gather_images(root.paths, table, px)
    images = gather_images(root.paths, table, root.settings.ingestion.image_size)
    for row, (turn, inverted) in corrections.items():
        images[row] = turned(images[row], -turn, inverted=inverted)
    return reduced(images, px)


def _corrections(root: Root, table: pd.DataFrame) -> dict[int, tuple[int, bool]]:
    """Position in `table` -> the turn (degrees clockwise) and the inversion to undo."""
    above = root.settings.orientation.correct_above
    if above is None or not root.paths.orientation.exists():
        return {}
    judged = read_table(root.paths.orientation).set_index("image_id").reindex(table["image_id"])
    turn = judged[[f"turned_{degrees}" for degrees in TURNS[1:]]].to_numpy(float)
    turn = np.where(turn.max(axis=1) > above, np.array(TURNS[1:])[turn.argmax(axis=1)], 0)
    inverted = judged["inverted"].to_numpy(float) > above
    return {int(row): (int(turn[row]), bool(inverted[row])) for row in np.flatnonzero((turn > 0) | inverted)}
