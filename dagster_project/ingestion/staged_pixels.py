"""The second pass, kept in staging block by block, so that an interrupted batch continues where it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from dagster_project.files import read_json, write_json
from dagster_project.ingestion.pixels import PixelRead, PixelReader
from dagster_project.ingestion.reasons import RefusedFile
from dagster_project.ingestion.sources import SourceFile
from dagster_project.ingestion.workers import Limits, contained_map
from dagster_project.progress import track

_BLOCK = 512
_CHUNK = 8


@dataclass
class StagedPicture:
    """What the second pass found in one file. `place` is its row in `staged_pictures`, or None if it is refused."""

    reasons: list[str]
    place: int | None
    pixel_digest: str
    file_digest: str


def read_pixels(files: list[SourceFile], reader: PixelReader, limits: Limits, staging: Path) -> list[StagedPicture]:
    """Read the pixels of `files`, in order. Blocks already in `staging` are taken from there."""
    blocks = range(0, len(files), _BLOCK)
    notes = [staging / f"block-{start:07d}.json" for start in blocks]
    missing = [f for start, note in zip(blocks, notes, strict=True) if not note.exists() for f in _block(files, start)]
    fresh = track(contained_map(reader, missing, limits, chunk=_CHUNK), len(missing), "reading pixels")
    pictures = _open(staging, len(files), reader.side)
    staged: list[StagedPicture] = []
    for start, note in zip(blocks, notes, strict=True):
        if not note.exists():
            found = [_keep(next(fresh), place, pictures) for place in range(start, start + len(_block(files, start)))]
            pictures.flush()
            write_json(note, [vars(picture) for picture in found])
        staged += [StagedPicture(**values) for values in read_json(note)]
    return staged


def staged_pictures(staging: Path) -> np.ndarray:
    """uint8 (files, side, side), memory-mapped; rows of refused files are zero."""
    return np.load(staging / "pictures.npy", mmap_mode="r")


def _keep(read: PixelRead | RefusedFile, place: int, pictures: np.ndarray) -> StagedPicture:
    if isinstance(read, RefusedFile):
        return StagedPicture([read.reason], None, "", "")
    if read.picture is None:
        return StagedPicture(read.reasons, None, "", "")
    pictures[place] = read.picture
    return StagedPicture(read.reasons, place, read.pixel_digest, read.file_digest)


def _open(staging: Path, count: int, side: int) -> np.memmap:
    path = staging / "pictures.npy"
    if path.exists():
        return np.load(path, mmap_mode="r+")
    return open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, side, side))


def _block(files: list[SourceFile], start: int) -> list[SourceFile]:
    return files[start : start + _BLOCK]
