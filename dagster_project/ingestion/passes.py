"""Both passes over a source's files, and which of several files of one instance counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from dagster_project.errors import RayTruthError
from dagster_project.ingestion.headers import HeaderRead, HeaderReader
from dagster_project.ingestion.pixels import PixelReader
from dagster_project.ingestion.pseudonyms import Pseudonyms
from dagster_project.ingestion.reasons import RefusedFile
from dagster_project.ingestion.sources import SourceFile
from dagster_project.ingestion.staged_pixels import StagedPicture, read_pixels
from dagster_project.ingestion.workers import Limits, contained_map
from dagster_project.params import Ingestion
from dagster_project.progress import track
from dagster_project.taxonomy.taxonomy import Taxonomy


@dataclass
class FileRead:
    """One file on its way through both passes."""

    file: SourceFile
    file_id: str
    header: HeaderRead
    pixels: StagedPicture | None = None

    @property
    def reasons(self) -> list[str]:
        """Reason codes of both passes, sorted."""
        return sorted({*self.header.reasons, *(self.pixels.reasons if self.pixels else [])})

    @property
    def usable(self) -> bool:
        """Whether it has a header row and a picture, and no other file counts in its stead."""
        return self.pixels is not None and self.pixels.place is not None


def read_headers(
    files: list[SourceFile], batch: str, pseudonyms: Pseudonyms, taxonomy: Taxonomy, params: Ingestion
) -> list[FileRead]:
    """First pass over all files, in order."""
    reader = HeaderReader(pseudonyms, taxonomy, params.max_megapixels)
    results = track(contained_map(reader, files, limits_of(params)), len(files), "reading headers")
    headers = [HeaderRead([r.reason]) if isinstance(r, RefusedFile) else r for r in results]
    ids = [pseudonyms.of("file", batch, f.relative) for f in files]
    return [FileRead(f, i, h) for f, i, h in zip(files, ids, headers, strict=True)]


def read_pictures(reads: list[FileRead], params: Ingestion, staging: Path) -> tuple[list[FileRead], list[int]]:
    """Run the second pass; return the files that count, sorted by image id, and where their staged pictures lie."""
    wanted = [r for r in reads if r.header.row is not None]
    reader = PixelReader(params.side, params.percentiles, params.clean)
    pixels = read_pixels([r.file for r in wanted], reader, limits_of(params), staging)
    for read, found in zip(wanted, pixels, strict=True):
        read.pixels = found
    _settle_duplicates(reads)
    used = sorted((r for r in reads if r.usable), key=image_id_of)
    return used, [p.place for p in map(staged_of, used) if p.place is not None]


def _settle_duplicates(reads: list[FileRead]) -> None:
    """Of one instance's files the first usable one counts; the same bytes again are harmless, others a conflict.

    The first by content, so that the choice does not depend on names.
    """
    by_image, by_pixels = defaultdict(list), defaultdict(list)
    for read in reads:
        if read.usable:
            by_image[image_id_of(read)].append(read)
    for files in by_image.values():
        first, *others = sorted(files, key=lambda read: staged_of(read).file_digest)
        by_pixels[staged_of(first).pixel_digest].append(first)
        for other in others:
            same = staged_of(other).file_digest == staged_of(first).file_digest
            other.header.reasons.append("duplicate_file" if same else "uid_conflict")
            staged_of(other).place = None
    for twins in by_pixels.values():
        for twin in twins if len(twins) > 1 else []:
            twin.header.reasons.append("same_pixels")


def image_id_of(read: FileRead) -> str:
    """The image id of a file with a header row."""
    return str((read.header.row or {})["image_id"])


def staged_of(read: FileRead) -> StagedPicture:
    """What the second pass found in a file."""
    if read.pixels is None:
        raise ValueError("the second pass has not read this file")
    return read.pixels


def masked_in(used: list[FileRead]) -> int:
    """In how many pictures burned-in text was masked."""
    return sum(staged_of(read).masked > 0 for read in used)


def nothing_usable(reasons: Counter[str], where: str) -> RayTruthError:
    """The error of a source without any usable radiograph."""
    return RayTruthError(
        "The source holds no usable radiograph: "
        + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(6)),
        where=where,
        do="look the reasons up in the documentation; an ingested batch's are in data/quarantine/",
    )


def limits_of(params: Ingestion) -> Limits:
    """The limits of a worker process."""
    return Limits(params.workers, params.memory_mb, params.seconds_per_file)
