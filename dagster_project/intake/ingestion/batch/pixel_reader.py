"""Second pass: from one file's pixels to a letterboxed uint8 image."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blake3 import blake3
from pydicom.dataset import FileDataset

from dagster_project.intake.ingestion.cleaning.cleaning import Cleaned, clean, declared_field
from dagster_project.intake.ingestion.headers.elements import open_dataset, refusing, text
from dagster_project.intake.ingestion.headers.header_warnings import is_as_in_file, warnings_of_content
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.safe_open import has_changed, open_regular
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.ingestion.pixels.contrast import stretch
from dagster_project.intake.ingestion.pixels.decoding import decode
from dagster_project.intake.ingestion.pixels.grayscale import rescaled, windowed
from dagster_project.intake.ingestion.pixels.lazy_image import LazyImage
from dagster_project.intake.ingestion.pixels.letterbox import centred, fitted
from dagster_project.intake.ingestion.pixels.padding import without_padding
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram, histogram_of, painted
from dagster_project.intake.privacy.actions import tags_of


@dataclass
class PixelRead:
    """The result of the second pass for one file. `image` is uint8 (side, side), or None if the file is refused.

    The digests are BLAKE3 of the stored values, and of the whole file (`_file_digest`). `cropped`, `blanked` and
    `masked` are the shares, in 0..1, of removed border, blanked marks and masked text. `tags` are the file's tags
    (privacy.actions.tags_of).
    """

    reasons: list[str]
    image: np.ndarray | None = None
    pixel_digest: str = ""
    file_digest: str = ""
    cropped: float = 0.0
    blanked: float = 0.0
    masked: float = 0.0
    tags: str = ""


@dataclass(frozen=True)
class PixelReader:
    """Reads pixels in a worker process. `percentiles` are for the contrast stretch, in 0..100.

    `clean`: whether text is masked, borders are cut off and marks are blanked.
    """

    side: int
    percentiles: tuple[float, float]
    clean: bool

    def __call__(self, file: SourceFile) -> PixelRead:
        """Decode one file. The content of a file causes no exception except MemoryError (the worker's limit)."""
        warned: list[str] = []
        try:
            with refusing("damaged_header"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ds = open_dataset(Path(file.path), warned)
                stored = decode(ds, warned)
                shown = displayed(ds, stored, self.percentiles, warned)
                small = clean(shown, declared_field(ds), self.side) if self.clean else Cleaned(fitted(shown, self.side))
                image = centred(small.image, self.side)
                warned += warnings_of_content(ds, stored, Path(file.path).stat().st_size)
                pixel_digest = digest_of(stored)
                file_digest = _file_digest(Path(file.path), ds, stored, pixel_digest)
                tags = tags_of(ds)
        except RefusedFile as refusal:
            return PixelRead(["changed" if has_changed(file) else refusal.reason])
        if has_changed(file):
            return PixelRead(["changed"])
        warned += ["text_masked"] if small.masked else []
        reasons = sorted(set(warned) - {"no_preamble"})
        return PixelRead(reasons, image, pixel_digest, file_digest, small.cropped, small.blanked, small.masked, tags)


def displayed(ds: FileDataset, stored: np.ndarray, percentiles: tuple[float, float], warned: list[str]) -> LazyImage:
    """The image (Rows, Columns) as on a display, stretched to 0..255; padding is black."""
    levels = without_padding(ds, histogram_of(stored), warned)
    return painted(levels, stretch(presented(ds, levels, warned), percentiles), stored)


def presented(ds: FileDataset, stored: ValueHistogram, warned: list[str]) -> ValueHistogram:
    """The values as on a display: after modality LUT and VOI LUT or window, with MONOCHROME1 inverted once.

    float32; bright means dense.
    """
    inverse = text(ds, "PresentationLUTShape").upper() == "INVERSE"
    if inverse and text(ds, "PhotometricInterpretation") == "MONOCHROME2":  # PS3.3 C.8.11.3.1.2 forbids the pair
        warned.append("presentation_conflict")
    shown = windowed(ds, rescaled(ds, stored, warned), warned)
    return shown.mapped(-shown.values) if text(ds, "PhotometricInterpretation") == "MONOCHROME1" else shown


def digest_of(stored: np.ndarray) -> str:
    """BLAKE3 of stored values, their type and shape. SHA-256 takes four times as long, and more on old machines."""
    digest = blake3(f"{stored.dtype}{stored.shape}".encode())
    digest.update(np.ascontiguousarray(stored).data.cast("B"))
    return digest.hexdigest()


def _file_digest(path: Path, ds: FileDataset, stored: np.ndarray, pixel_digest: str) -> str:
    """A digest that is equal for two files only if the files are equal, byte by byte.

    If the stored values are the bytes of the file, their digest is used instead, because hashing takes long.
    """
    with open_regular(path) as file:
        if not is_as_in_file(ds, stored):
            return blake3(file.read()).hexdigest()
        pixels = ds["PixelData"]
        digest = blake3(file.read(pixels.file_tell))
        digest.update(pixel_digest.encode())
        file.seek(len(pixels.value), os.SEEK_CUR)
        digest.update(file.read())
    return digest.hexdigest()
