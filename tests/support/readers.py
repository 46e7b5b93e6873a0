"""Reading single files as an ingestion does, but in the test's own process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, PixelReader
from dagster_project.intake.ingestion.headers.header_reader import HeaderRead, HeaderReader
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import verdict_of
from dagster_project.intake.ingestion.headers.sources import SourceFile, list_files
from support.taxonomies import own_taxonomy

PSEUDONYMS = Pseudonyms(b"a key for tests, 32 bytes long..")
SIDE = 64
HEADERS = HeaderReader(PSEUDONYMS, own_taxonomy(), max_megapixels=100)
PIXELS = PixelReader(SIDE, (0.5, 99.5), clean=True)


@dataclass(frozen=True)
class Outcome:
    """What both passes say of a file."""

    verdict: str
    reasons: set[str]
    row: dict[str, Any] | None
    image: np.ndarray | None


def source_file(path: Path) -> SourceFile:
    return SourceFile(str(path), path.name, path.stat().st_size, modified=path.stat().st_mtime_ns)


def read_header(path: Path) -> HeaderRead:
    return HEADERS(source_file(path))


def read_pixels(path: Path) -> PixelRead:
    return PIXELS(source_file(path))


def outcome(file: SourceFile) -> Outcome:
    """Both passes over one file, the second only if the first lets it through."""
    header = HEADERS(file)
    pixels = PIXELS(file) if header.row is not None else PixelRead([])
    reasons = [*header.reasons, *pixels.reasons]
    return Outcome(verdict_of(reasons), set(reasons), header.row, pixels.image)


def outcomes(folder: Path) -> dict[str, Outcome]:
    """Of every file under `folder`, by its name."""
    return {Path(file.relative).name: outcome(file) for file in list_files(folder)}
