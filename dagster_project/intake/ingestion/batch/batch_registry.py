"""The sources of the batches: batch names are public, source paths are private."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import begin_ledger
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.sources import SourceFile, fingerprint


def register(paths: Paths, pseudonyms: Pseudonyms, batch: str, source: Path, files: list[SourceFile]) -> None:
    """Record the source of `batch`, and a keyed fingerprint of its current content, so that DVC sees changes.

    Raises RayTruthError if the name belongs to another source.
    """
    with FileLock(paths.lock):
        sources = _read(paths.sources)
        if sources.setdefault(batch, str(source.resolve())) != str(source.resolve()):
            raise RayTruthError(
                "This batch name is already used for another source",
                where=f"batch {batch}",
                do="choose another name; a batch can only be ingested again from its own source",
            )
        write_json(paths.sources, sources)
        listed = _read(paths.batches)
        listed[batch] = {"files": len(files), "fingerprint": fingerprint(files, pseudonyms)}
        write_json(paths.batches, listed)
        begin_ledger(paths)  # dvc.yaml depends on the ledger, and a checkout of the repository has none


def forget(paths: Paths, batch: str) -> None:
    """Remove a batch name after its first ingestion was refused, so that the name stays free."""
    with FileLock(paths.lock):
        for path in (paths.sources, paths.batches):
            listed = _read(path)
            if listed.pop(batch, None) is not None:
                write_json(path, listed)


def registered_source(paths: Paths, batch: str) -> Path:
    """The source of a registered batch, or the folder with that name in the inbox.

    Raises RayTruthError if there is neither, or if the source cannot be reached.
    """
    known = _read(paths.sources).get(batch)
    source = Path(known) if known else paths.inbox / batch
    if not source.is_dir():
        raise RayTruthError(
            "The source of the batch cannot be reached" if known else "No such batch",
            where=f"batch {batch}",
            do="mount the source again"
            if known
            else "put the folder into data/inbox/, or run `raytruth ingest SOURCE`",
        )
    return source


def registered_batches(paths: Paths) -> list[str]:
    """Names of all registered batches, sorted."""
    return sorted(_read(paths.batches))


def batch_name_for(paths: Paths, source: Path) -> str:
    """The batch name of `source` if it is registered, otherwise the next free name like `batch-001`."""
    sources = _read(paths.sources)
    for name, path in sources.items():
        if path == str(source.resolve()):
            return name
    number = 1
    while f"batch-{number:03d}" in sources:
        number += 1
    return f"batch-{number:03d}"


def _read(path: Path) -> dict:
    return read_json(path) if path.exists() else {}
