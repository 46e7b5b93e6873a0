"""The two passes over a source's files, in worker processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import track
from dagster_project.core.settings.settings import Ingestion
from dagster_project.intake.ingestion.batch.batch_index import BatchIndex
from dagster_project.intake.ingestion.batch.pixel_reader import PixelReader
from dagster_project.intake.ingestion.batch.staged_pixels import read_pixels
from dagster_project.intake.ingestion.headers.header_reader import HeaderRead, HeaderReader
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.sandbox import Limits, contained_map
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.taxonomy.taxonomy import Taxonomy


def read_headers(
    files: list[SourceFile],
    batch: str,
    pseudonyms: Pseudonyms,
    taxonomy: Taxonomy,
    settings: Ingestion,
    index: BatchIndex,
) -> bool:
    """First pass over all files, into `index`; returns whether the batch name repeats the ID of one of its patients."""
    reader, identifying = HeaderReader(pseudonyms, taxonomy, settings.max_megapixels), False
    results = track(contained_map(reader, files, limits_of(settings)), len(files), "reading headers")
    for number, (file, result) in enumerate(zip(files, results, strict=True)):
        header = HeaderRead([result.reason]) if isinstance(result, RefusedFile) else result
        index.add_header(number, pseudonyms.of("file", batch, file.relative), file.path, header)
        patient = header.identity.patient_id if header.identity else ""
        identifying = identifying or (len(patient) >= 4 and patient.casefold() in batch.casefold())
    return identifying


def read_images(files: list[SourceFile], settings: Ingestion, staging: Path, index: BatchIndex) -> None:
    """Second pass over the files that the first did not refuse: images go to `staging`, other results to `index`."""
    wanted = index.with_header()
    reader = PixelReader(settings.image_size, settings.percentiles, settings.clean)
    found = read_pixels([files[number] for number in wanted], reader, limits_of(settings), staging)
    for number, image in zip(wanted, found, strict=True):
        index.add_image(number, image)
    index.settle()


def nothing_usable(reasons: Counter[str], where: str) -> RayTruthError:
    """The error for a source without usable radiographs."""
    return RayTruthError(
        "The source holds no usable radiograph: "
        + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(6)),
        where=where,
        do="look up the reasons in the documentation; for an ingested batch they are in data/quarantine/",
    )


def limits_of(settings: Ingestion) -> Limits:
    """The limits of a worker process."""
    return Limits(settings.workers, settings.memory_mb, settings.seconds_per_file)
