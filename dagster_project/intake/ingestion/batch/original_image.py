"""The image of one file in full size, for viewing: decoded and displayed as in the second pass."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from dagster_project.intake.ingestion.batch.pixel_reader import digest_of, displayed
from dagster_project.intake.ingestion.cleaning.burned_in_text import without_text
from dagster_project.intake.ingestion.headers.elements import open_dataset, refusing, text
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.size_limits import refuse_too_large
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.ingestion.pixels.decoding import decode
from dagster_project.intake.ingestion.pixels.lazy_image import GreyImage
from dagster_project.intake.ingestion.pixels.letterbox import fitted

_LONGEST = 4096  # px; a larger image is reduced
_QUALITY = 92


@dataclass(frozen=True)
class Wanted:
    """An ingested image, with the `path` of its file and the pseudonym of its pixels."""

    image_id: str
    pixel_digest: str
    path: str


@dataclass(frozen=True)
class Original:
    """`jpeg` shows the whole image with sides of at most 4,096 px; `rows` and `columns` are the size in the file.

    `masked` is the share of the image that is masked burned-in text, in 0..1; None without a search for text.
    """

    jpeg: bytes
    rows: int
    columns: int
    masked: float | None


@dataclass(frozen=True)
class OriginalReader:
    """Reads originals in a worker process. `percentiles` and `clean` are as in the second pass.

    Margins and marks stay; burned-in text is masked if `clean`.
    """

    pseudonyms: Pseudonyms
    percentiles: tuple[float, float]
    clean: bool
    max_megapixels: float

    def __call__(self, wanted: Wanted) -> Original | RefusedFile:
        """The original, or the reason why it is not available: `changed` if the file is not the ingested one any more.

        The content of a file causes no exception except MemoryError, which the worker's limit handles.
        """
        try:
            with refusing("damaged_header"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._read(wanted)
        except RefusedFile as refusal:
            return RefusedFile(refusal.reason)

    def _read(self, wanted: Wanted) -> Original:
        path = Path(wanted.path)
        file = SourceFile(wanted.path, "", path.stat().st_size)
        refuse_too_large(open_dataset(path, [], only=["Rows", "Columns"]), file, self.max_megapixels)
        ds = open_dataset(path, [])
        if self.pseudonyms.of("image", text(ds, "SOPInstanceUID")) != wanted.image_id:
            raise RefusedFile("changed")
        stored = decode(ds, [])
        if self.pseudonyms.of("pixels", digest_of(stored)) != wanted.pixel_digest:
            raise RefusedFile("changed")
        shown = displayed(ds, stored, self.percentiles, [])
        image, masked = without_text(shown) if self.clean else (shown, None)
        rows, columns = stored.shape
        return Original(_jpeg(image), rows, columns, masked)


def _jpeg(image: GreyImage) -> bytes:
    whole = fitted(image, _LONGEST) if max(image.shape) > _LONGEST else image[:]
    file = BytesIO()
    Image.fromarray(np.rint(whole).astype(np.uint8)).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
