"""Fetch named studies again: what the PACS holds now replaces what came earlier under the same UIDs.

An image that was overwritten in the PACS keeps its UID, and neither DICOMweb nor DIMSE reports the change. Only
fetching the image again shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.pacs.client import Archive, Instance, RefusedObject, is_uid
from dagster_project.intake.pacs.incoming_batch import IncomingBatch
from dagster_project.intake.pacs.pull import pulling
from dagster_project.intake.root import Root


@dataclass(frozen=True)
class Refetched:
    """Number of objects by outcome, and the batch with the objects that were new."""

    outcomes: dict[str, int]
    batch: str | None


def refetch_studies(root: Root, source: str, lines: Iterable[str]) -> Refetched:
    """Fetch every radiograph of the studies in `lines` (one Study Instance UID per line), known or not.

    Images with changed content are replaced in their batch folder in the inbox; ingest that batch again afterwards.
    Raises RayTruthError if a line is not a UID, another process pulls, or the PACS fails. A rerun continues.
    """
    studies = _uids(lines)
    outcomes: Counter[str] = Counter()
    batch = None
    with pulling(root, source) as (archive, _, incoming):
        incoming.close()  # after a kill: files left in the open batch go to the inbox, where they can be replaced
        try:
            for study in studies:
                instances = list(archive.instances(study))
                if not instances:
                    outcomes["studies without a radiograph"] += 1
                outcomes.update(_fetched(archive, incoming, instance) for instance in instances)
        finally:
            batch = incoming.close()
    return Refetched(dict(outcomes), batch)


def _uids(lines: Iterable[str]) -> list[str]:
    studies = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not is_uid(line.strip()):
            raise RayTruthError(
                "This line is not a Study Instance UID",
                where=f"line {number}",
                do="give one UID per line and nothing else",
            )
        studies.append(line.strip())
    return list(dict.fromkeys(studies))


def _fetched(archive: Archive, incoming: IncomingBatch, instance: Instance) -> str:
    """The outcome of one object."""
    incoming.need_disk()
    try:
        return incoming.keep_bytes(archive.fetch(instance), instance.uid, incoming.replace)
    except RefusedObject as refusal:
        incoming.refuse(f"refused: {refusal}")
        return f"refused: {refusal}"
