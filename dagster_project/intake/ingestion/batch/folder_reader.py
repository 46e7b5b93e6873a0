"""Read radiographs for prediction without storing them: a folder of any size, one image after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import tee
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dagster_project.core.progress import track
from dagster_project.core.settings.settings import Ingestion
from dagster_project.intake.ingestion.batch.folder_index import FolderIndex, Found, folder_index
from dagster_project.intake.ingestion.batch.passes import limits_of, nothing_usable
from dagster_project.intake.ingestion.batch.pixel_reader import PixelRead, PixelReader
from dagster_project.intake.ingestion.headers.header_reader import HeaderReader
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sandbox import contained_map
from dagster_project.intake.ingestion.headers.sources import SourceFile, nothing_there, walk_files
from dagster_project.intake.root import Root

_CHUNK = 8  # images are large


@dataclass(frozen=True)
class FolderImage:
    """A radiograph outside the batches; `image` is uint8 (side, side), as the ingestion would produce it."""

    sop_instance_uid: str
    image: np.ndarray


def read_folder(root: Root, source: Path, left_out: Counter[str]) -> Generator[FolderImage, None, None]:
    """Yield every usable radiograph under `source` once, in the order of the image ids, without creating a batch.

    The rules for usable files, and for several files of one instance, are those of `ingest`. `left_out` counts the
    other files by reason; the counts are complete at the end. Memory does not grow with the number of files: between
    the passes over headers and pixels, the results are in `data/private/`.
    Raises RayTruthError if the source is empty or not a folder, and at the end if no file was usable.
    """
    pseudonyms = load_pseudonyms(root.paths.pseudonym_key)
    reader = HeaderReader(pseudonyms, root.taxonomy, root.settings.ingestion.max_megapixels)
    usable = False
    with (
        TemporaryDirectory(prefix="predict-folder-", dir=root.paths.private) as folder,
        folder_index(Path(folder) / "index.sqlite") as index,
    ):
        _read_headers(source, reader, root.settings.ingestion, index, left_out)
        for image in _read_images(index, root.settings.ingestion, left_out):
            usable = True
            yield image
    if not usable:
        raise nothing_usable(left_out, "the given source")


def _read_headers(
    source: Path, reader: HeaderReader, settings: Ingestion, index: FolderIndex, left_out: Counter[str]
) -> None:
    total = sum(1 for _ in walk_files(source))
    if not total:
        raise nothing_there()
    files, read_files = tee(walk_files(source))
    headers = contained_map(reader, read_files, limits_of(settings))
    for file, header in zip(files, track(headers, total, "reading headers"), strict=True):
        if isinstance(header, RefusedFile):
            left_out[header.reason] += 1
        elif header.row is None or header.identity is None:
            left_out.update(header.reasons)
        else:
            index.add(Found(header.row["image_id"], header.identity.sop_instance_uid, file.path))


def _read_images(index: FolderIndex, settings: Ingestion, left_out: Counter[str]) -> Iterator[FolderImage]:
    """Yield the images; files of one instance follow each other, so only one image at a time is in memory."""
    found, read_found = tee(index)
    files = (SourceFile(f.path, "", 0) for f in read_found)
    reader = PixelReader(settings.image_size, settings.percentiles, settings.clean)
    reads = contained_map(reader, files, limits_of(settings), chunk=_CHUNK)
    instance: _Instance | None = None
    for file, read in zip(found, track(reads, len(index), "reading pixels"), strict=True):
        if isinstance(read, RefusedFile):
            left_out[read.reason] += 1
        elif read.image is None:
            left_out.update(read.reasons)
        elif instance and instance.file.image_id == file.image_id:
            instance.add(read)
        else:
            if instance:
                yield instance.settled(left_out)
            instance = _Instance(file, read)
    if instance:
        yield instance.settled(left_out)


@dataclass
class _Instance:
    """The usable files of one instance so far: the first by content, and the numbers of copies and of other files."""

    file: Found
    first: PixelRead
    again: int = 0
    others: int = 0

    def add(self, read: PixelRead) -> None:
        if read.file_digest == self.first.file_digest:
            self.again += 1
        elif read.file_digest > self.first.file_digest:
            self.others += 1
        else:
            self.first, self.again, self.others = read, 0, self.others + self.again + 1

    def settled(self, left_out: Counter[str]) -> FolderImage:
        if self.first.image is None:
            raise ValueError("an instance has usable files only")
        left_out.update({r: n for r, n in (("duplicate_file", self.again), ("uid_conflict", self.others)) if n})
        return FolderImage(self.file.sop_instance_uid, self.first.image)
