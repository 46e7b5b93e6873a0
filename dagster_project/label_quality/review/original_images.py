"""The images of the worklist as their files in the archive hold them, where these can be reached."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Ingestion
from dagster_project.intake.ingestion.batch.original_image import Original, OriginalReader, Wanted
from dagster_project.intake.ingestion.batch.passes import limits_of
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.reasons import REASONS, RefusedFile
from dagster_project.intake.ingestion.headers.sandbox import ContainedWorker

_KEPT = 128 << 20  # bytes of images in memory


class Originals:
    """Originals by image_id. They are kept in memory only, the least recently asked for dropped first.

    Several threads may ask at once; they take turns.

    `paths` holds where files lie (`data/private/` alone knows), `digests` pseudonyms of the pixels that were ingested.
    """

    def __init__(
        self, paths: dict[str, str], digests: dict[str, str], reader: OriginalReader, settings: Ingestion
    ) -> None:
        self._paths, self._digests = paths, digests
        self._read = ContainedWorker(reader, limits_of(settings))
        self._kept: OrderedDict[str, Original] = OrderedDict()
        self._turn = Lock()

    def __call__(self, image_id: str) -> Original | str:
        """The original, or why it is not to be had, in words that name no file."""
        if image_id not in self._paths or image_id not in self._digests:
            return "where its file lies is not known here"
        if not Path(self._paths[image_id]).exists():
            return "its file is not where it was"
        with self._turn:
            return self._found(image_id)

    def _found(self, image_id: str) -> Original | str:
        if kept := self._kept.get(image_id):
            self._kept.move_to_end(image_id)
            return kept
        found = self._read(Wanted(image_id, self._digests[image_id], self._paths[image_id]))
        if isinstance(found, RefusedFile):
            return "its file has changed" if found.reason == "changed" else f"its file: {REASONS[found.reason]}"
        self._kept[image_id] = found
        while sum(len(original.jpeg) for original in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def close(self) -> None:
        """End the process that reads."""
        self._read.close()


def open_originals(paths: Paths, settings: Ingestion, headers: pd.DataFrame) -> Originals | None:
    """The originals of some images, rows of header tables; None where `data/private/` is not, as in a copy.

    Raises RayTruthError if the pseudonyms' key is damaged or others may read it.
    """
    if not (paths.key.exists() and paths.identities.exists()):
        return None
    known = read_table(paths.identities, ["image_id", "path"])
    known = known[known["image_id"].isin(headers["image_id"])]
    reader = OriginalReader(load_pseudonyms(paths.key), settings.percentiles, settings.clean, settings.max_megapixels)
    path_list, digests = (
        dict(zip(t["image_id"], t[c], strict=True)) for t, c in ((known, "path"), (headers, "pixel_digest"))
    )
    return Originals(path_list, digests, reader, settings)
