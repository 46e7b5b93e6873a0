"""Turned and inverted images of one batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.orientation.find import draw_turned, judged
from dagster_project.learning.orientation.store import load_orientation
from dagster_project.learning.orientation.tables import ORIENTATION
from dagster_project.learning.orientation.views import Views


@dataclass(frozen=True)
class BatchOrientation:
    """`found`: rows of ORIENTATION in the order of the headers; None if there is no probe."""

    batch: str
    found: pd.DataFrame | None

    @property
    def counts(self) -> dict[str, int]:
        """Images by finding."""
        if self.found is None:
            return {}
        named = self.found.loc[self.found["finding"] != "", "finding"]
        return {str(finding): int(n) for finding, n in named.value_counts().items()}

    def draw(self, paths: Paths, into: Path) -> None:
        """A montage of the flagged images."""
        if self.found is not None:
            draw_turned(paths, _places(paths, self.batch), self.found, into)


def judge_batch(root: Root, batch: str) -> BatchOrientation:
    """Judge each image of an ingested batch.

    Images of the training set keep the judgement of `find_turned`, whose probes had not seen them. The stored probe,
    which learned from the training part, judges all others.
    """
    stored = load_orientation(root.paths.orientation_probe)
    if stored is None:
        return BatchOrientation(batch, None)
    probe, calibration, encoder = stored
    places = _places(root.paths, batch)
    known = read_table(root.paths.orientation).set_index("image_id")
    new = ~places["image_id"].isin(known.index)
    views = Views(root, open_encoder(root, encoder), places[new])
    looks = probe.look(views.as_stored(), views.embed)
    others = judged(places.loc[new, "image_id"], looks, calibration, root.settings.orientation.flag_above)
    found = pd.concat([known, others.set_index("image_id")]).loc[places["image_id"]].reset_index()
    return BatchOrientation(batch, found[list(ORIENTATION.types)])


def _places(paths: Paths, batch: str) -> pd.DataFrame:
    """Image_id, batch and row of each image of a batch."""
    headers = load_headers(paths, batch)
    return headers[["image_id"]].assign(batch=batch, row=np.arange(len(headers)))
