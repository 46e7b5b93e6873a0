"""The original images of the worklist, read from the archive's files where these can be reached."""

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


class OriginalImages:
    """Original images by image_id, kept in memory only; the least recently used are dropped first.

    Several threads may ask at once; they take turns.

    `paths` are the paths of the files (from `data/private/`), `digests` the pseudonyms of the ingested pixels.
    """

    def __init__(
        self, paths: dict[str, str], digests: dict[str, str], reader: OriginalReader, settings: Ingestion
    ) -> None:
        self._paths, self._digests = paths, digests
        self._read = ContainedWorker(reader, limits_of(settings))
        self._kept: OrderedDict[str, Original] = OrderedDict()
        self._turn = Lock()

    def __call__(self, image_id: str) -> Original | str:
        """The original, or the reason why it is not available, without a file name."""
        if image_id not in self._paths or image_id not in self._digests:
            return "the path of its file is not known here"
        if not Path(self._paths[image_id]).exists():
            return "its file was moved or deleted"
        with self._turn:
            return self._found(image_id)

    def _found(self, image_id: str) -> Original | str:
        if kept := self._kept.get(image_id):
            self._kept.move_to_end(image_id)
            return kept
        found = self._read(Wanted(image_id, self._digests[image_id], self._paths[image_id]))
        if isinstance(found, RefusedFile):
            return "its file was changed" if found.reason == "changed" else f"its file: {REASONS[found.reason]}"
        self._kept[image_id] = found
        while sum(len(original.jpeg) for original in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def close(self) -> None:
        """End the reading process."""
        self._read.close()


def open_original_images(paths: Paths, settings: Ingestion, headers: pd.DataFrame) -> OriginalImages | None:
    """The originals of the images in `headers`; None if there is no `data/private/`, as in a copy of a root.

    Raises RayTruthError if the pseudonym key is damaged or other users may read it.
    """
    if not (paths.pseudonym_key.exists() and paths.identities.exists()):
        return None
    known = read_table(paths.identities, ["image_id", "path"])
    known = known[known["image_id"].isin(headers["image_id"])]
    reader = OriginalReader(
        load_pseudonyms(paths.pseudonym_key), settings.percentiles, settings.clean, settings.max_megapixels
    )
    path_list, digests = (
        dict(zip(t["image_id"], t[c], strict=True)) for t, c in ((known, "path"), (headers, "pixel_digest"))
    )
    return OriginalImages(path_list, digests, reader, settings)
