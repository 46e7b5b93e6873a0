"""Studies taken in anew by name: what the PACS holds now goes before what came earlier under the same UIDs.

An image overwritten in the archive keeps its UID, and DICOMweb and DIMSE tell nobody: only fetching it again can.
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
    """What became of the studies' objects, by outcome, and the batch of those that were not known."""

    outcomes: dict[str, int]
    batch: str | None


def refetch_studies(root: Root, source: str, lines: Iterable[str]) -> Refetched:
    """Fetch every radiograph of the studies whose UIDs stand in `lines`, one a line, whether it is known or not.

    Images whose content changed are replaced in their batch's folder in the inbox; the batch is to be ingested again.
    Raises RayTruthError if a line is no UID, another process pulls, or the PACS fails; run again, it goes on.
    """
    studies = _uids(lines)
    outcomes: Counter[str] = Counter()
    batch = None
    with pulling(root, source) as (archive, _, incoming):
        incoming.close()  # what a kill left belongs into the inbox, where it can be replaced
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
                "This is no Study Instance UID", where=f"line {number}", do="give one UID a line, and nothing else"
            )
        studies.append(line.strip())
    return list(dict.fromkeys(studies))


def _fetched(archive: Archive, incoming: IncomingBatch, instance: Instance) -> str:
    """What became of one object."""
    incoming.need_disk()
    try:
        return incoming.keep_bytes(archive.fetch(instance), instance.uid, incoming.replace)
    except RefusedObject as refusal:
        incoming.refuse(f"refused: {refusal}")
        return f"refused: {refusal}"
