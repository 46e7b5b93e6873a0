"""Corrections into a PACS, one object a request: what is refused takes nothing else along, a rerun sends the rest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from filelock import FileLock
from pydicom.errors import InvalidDicomError

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.pacs.client import RefusedObject, Unanswered
from dagster_project.intake.pacs.connect import open_archive
from dagster_project.intake.pacs.dicomweb import DicomWebArchive
from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.dicom_objects import Planned, differences, make, plan
from dagster_project.label_quality.corrections.original_datasets import NoObject, original_of
from dagster_project.label_quality.corrections.push_log import STORED, Pushed

log = logging.getLogger("raytruth")
WOULD_SEND, ALREADY = "would be sent", "stored by an earlier push"
UNANSWERED = "the PACS did not answer"
_PATIENCE = 3  # unanswered objects in a row, after which the rest waits for another push


@dataclass(frozen=True)
class PushSummary:
    """What became of each object: (kind, outcome) -> how many. `outdated`: stored before, and no longer said."""

    outcomes: Counter[tuple[str, str]]
    left_out: Counter[str]
    outdated: int

    @property
    def complete(self) -> bool:
        """Whether the PACS holds every object that could be made."""
        return all(outcome in (STORED, ALREADY) for _, outcome in self.outcomes)


def push_corrections(root: Root, source: str, *, instances: bool, really: bool = False) -> PushSummary:
    """Send what the ledger corrects to a DICOMweb source as Comprehensive SR, and `instances` too if wanted.

    Unless `really`, objects are made and nothing is sent. An object is sent only where the PACS has the original, and
    counts as stored only when it was read back and equals what was made; the original is never touched.
    Raises RayTruthError if the source is no DICOMweb, or a class has no single code.
    """
    planned = plan(root, instances=instances)
    root.paths.pushed.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root.paths.pushed.with_suffix(".lock"))
    with (
        closing(open_archive(root.paths, root.settings.pacs, source)) as archive,
        lock,
        closing(Pushed(root.paths.pushed)) as pushed,
    ):
        if not isinstance(archive, DicomWebArchive):
            raise RayTruthError(
                "Corrections go to a PACS by DICOMweb only",
                where=f"params.yaml, pacs, sources, {source}",
                do="name its DICOMweb service there as another source",
            )
        stored = pushed.stored(source)
        outcomes: Counter[tuple[str, str]] = Counter()
        for one, outcome in _each(archive, planned.objects, stored, really):
            outcomes[one.kind, outcome] += 1
            if really and outcome != ALREADY:
                pushed.note(source, one.sent, outcome)
                log.info("%s of image %s: %s", one.kind, one.correction.image_id, outcome)
        pushed.write_list(root.paths.pushed_list, planned.standing)
        return PushSummary(outcomes, planned.left_out, len(stored - planned.standing))


def _each(
    archive: DicomWebArchive, planned: list[Planned], stored: set[str], really: bool
) -> Iterable[tuple[Planned, str]]:
    silent = 0
    for one in planned:
        if one.sent.sop in stored:
            yield one, ALREADY
            continue
        if silent >= _PATIENCE:
            yield one, UNANSWERED
            continue
        try:
            file = make(one, original_of(one.correction, archive))
            outcome = _send(archive, one, file) if really else WOULD_SEND
            silent = 0
        except NoObject as reason:
            outcome = str(reason)
        except Unanswered:
            outcome, silent = UNANSWERED, silent + 1
        yield one, outcome


def _send(archive: DicomWebArchive, one: Planned, file: bytes) -> str:
    """Store one object unless it is there, and say what is there then. Raises Unanswered."""
    sent = one.sent
    if archive.find(sent.study, one.correction.sop) is None:
        return "not sent: the PACS does not have the original"
    there, warning = archive.find(sent.study, sent.sop), ""
    if there is None:
        answer = archive.store(file)
        if answer.refused:
            return answer.refused
        there, warning = archive.find(sent.study, sent.sop), answer.warning
        if there is None:
            return "accepted, but not to be found; look again by another push"
    try:
        differing = differences(file, archive.fetch(there))
    except (RefusedObject, InvalidDicomError, ValueError, KeyError):
        return "conflict: what is there under its UID cannot be read back"
    if differing:
        said = ", ".join(differing[:5])
        return f"conflict: another content is there under its UID ({said})" + (f"; {warning}" if warning else "")
    return STORED
