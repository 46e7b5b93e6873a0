"""The second pass, kept in staging block by block, so that an interrupted batch continues where it stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dagster_project.core.atomic_io import begin_npy, read_json, replacing, write_json
from dagster_project.core.progress import track
from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, PixelReader
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sandbox import Limits, contained_map
from dagster_project.intake.ingestion.headers.sources import SourceFile

_BLOCK = 512
_CHUNK = 8
_PICTURES = "pictures.npy"


@dataclass
class StagedPicture:
    """What the second pass found in one file. `place` is its row in `staged_pictures`, or None if it is refused."""

    reasons: list[str]
    place: int | None
    pixel_digest: str
    file_digest: str
    cropped: float = 0.0
    blanked: float = 0.0
    masked: float = 0.0
    tags: str = ""

    def __post_init__(self) -> None:
        self.tags = sys.intern(self.tags)  # the same for all files of a console


def read_pixels(files: list[SourceFile], reader: PixelReader, limits: Limits, staging: Path) -> Iterator[StagedPicture]:
    """Read the pixels of `files`; yield what was found, in order. Blocks already in `staging` are taken from there."""
    blocks = range(0, len(files), _BLOCK)
    notes = [staging / f"block-{start:07d}.json" for start in blocks]
    missing = [f for start, note in zip(blocks, notes, strict=True) if not note.exists() for f in _block(files, start)]
    fresh = track(contained_map(reader, missing, limits, chunk=_CHUNK), len(missing), "reading pixels")
    if not (staging / _PICTURES).exists():
        _make_room(staging, len(files), reader.side)
    first_byte = staged_pictures(staging).offset
    with (staging / _PICTURES).open("r+b") as pictures:
        for start, note in zip(blocks, notes, strict=True):
            if not note.exists():
                places = range(start, start + len(_block(files, start)))
                found = [_keep(next(fresh), place, pictures, first_byte) for place in places]
                pictures.flush()
                os.fsync(pictures.fileno())
                write_json(note, [vars(picture) for picture in found])
            for values in read_json(note):
                yield StagedPicture(**values)


def staged_pictures(staging: Path) -> np.memmap:
    """uint8 (files, side, side), memory-mapped; rows of refused files are zero.

    What is read of it stays in memory while there is room, so `copy_pictures` reads otherwise.
    """
    return np.load(staging / _PICTURES, mmap_mode="r")


def copy_pictures(staging: Path, places: np.ndarray, shard: BinaryIO) -> None:
    """Write the staged pictures of `places` (N,) to `shard`, in that order, as .npy: uint8 (N, side, side)."""
    staged = staged_pictures(staging)
    begin_npy(shard, (len(places), *staged.shape[1:]))
    with (staging / _PICTURES).open("rb") as pictures:
        size = staged.shape[1] * staged.shape[2]
        for place in places.tolist():
            pictures.seek(staged.offset + place * size)
            shard.write(pictures.read(size))


def _keep(read: PixelRead | RefusedFile, place: int, pictures: BinaryIO, first_byte: int) -> StagedPicture:
    if isinstance(read, RefusedFile):
        return StagedPicture([read.reason], None, "", "")
    if read.picture is None:
        return StagedPicture(read.reasons, None, "", "")
    pictures.seek(first_byte + place * read.picture.size)
    pictures.write(read.picture.tobytes())
    return StagedPicture(
        read.reasons, place, read.pixel_digest, read.file_digest, read.cropped, read.blanked, read.masked, read.tags
    )


def _make_room(staging: Path, count: int, side: int) -> None:
    with replacing(staging / _PICTURES) as temporary, temporary.open("wb") as file:
        begin_npy(file, (count, side, side))
        file.truncate(file.tell() + count * side**2)


def _block(files: list[SourceFile], start: int) -> list[SourceFile]:
    return files[start : start + _BLOCK]
