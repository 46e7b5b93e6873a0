"""The results of the second pass in staging, block by block, so that an interrupted batch continues."""

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
_IMAGES = "images.npy"


@dataclass
class StagedImage:
    """The result of the second pass for one file. `place` is its row in `staged_images`, or None if it is refused."""

    reasons: list[str]
    place: int | None
    pixel_digest: str
    file_digest: str
    cropped: float = 0.0
    blanked: float = 0.0
    masked: float = 0.0
    tags: str = ""

    def __post_init__(self) -> None:
        self.tags = sys.intern(self.tags)  # the tags are the same for all files of a console


def read_pixels(files: list[SourceFile], reader: PixelReader, limits: Limits, staging: Path) -> Iterator[StagedImage]:
    """Read the pixels of `files`, and yield the results in order. Blocks that are already in `staging` are not read."""
    blocks = range(0, len(files), _BLOCK)
    notes = [staging / f"block-{start:07d}.json" for start in blocks]
    missing = [f for start, note in zip(blocks, notes, strict=True) if not note.exists() for f in _block(files, start)]
    fresh = track(contained_map(reader, missing, limits, chunk=_CHUNK), len(missing), "reading pixels")
    if not (staging / _IMAGES).exists():
        _make_room(staging, len(files), reader.side)
    first_byte = staged_images(staging).offset
    with (staging / _IMAGES).open("r+b") as images:
        for start, note in zip(blocks, notes, strict=True):
            if not note.exists():
                places = range(start, start + len(_block(files, start)))
                found = [_keep(next(fresh), place, images, first_byte) for place in places]
                images.flush()
                os.fsync(images.fileno())
                write_json(note, [vars(image) for image in found])
            for values in read_json(note):
                yield StagedImage(**values)


def staged_images(staging: Path) -> np.memmap:
    """uint8 (files, side, side), memory-mapped; rows of refused files are zero.

    Pages read from the map stay in memory while there is room, so `copy_images` reads the file instead.
    """
    return np.load(staging / _IMAGES, mmap_mode="r")


def copy_images(staging: Path, places: np.ndarray, shard: BinaryIO) -> None:
    """Write the staged images of `places` (N,) to `shard`, in that order, as .npy: uint8 (N, side, side)."""
    staged = staged_images(staging)
    begin_npy(shard, (len(places), *staged.shape[1:]))
    with (staging / _IMAGES).open("rb") as images:
        size = staged.shape[1] * staged.shape[2]
        for place in places.tolist():
            images.seek(staged.offset + place * size)
            shard.write(images.read(size))


def _keep(read: PixelRead | RefusedFile, place: int, images: BinaryIO, first_byte: int) -> StagedImage:
    if isinstance(read, RefusedFile):
        return StagedImage([read.reason], None, "", "")
    if read.image is None:
        return StagedImage(read.reasons, None, "", "")
    images.seek(first_byte + place * read.image.size)
    images.write(read.image.tobytes())
    return StagedImage(
        read.reasons, place, read.pixel_digest, read.file_digest, read.cropped, read.blanked, read.masked, read.tags
    )


def _make_room(staging: Path, count: int, side: int) -> None:
    with replacing(staging / _IMAGES) as temporary, temporary.open("wb") as file:
        begin_npy(file, (count, side, side))
        file.truncate(file.tell() + count * side**2)


def _block(files: list[SourceFile], start: int) -> list[SourceFile]:
    return files[start : start + _BLOCK]
