"""Send corrections to a PACS, one object a request: a refusal stops no other object, and a rerun sends the rest."""

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
from dagster_project.label_quality.corrections.push_log import STORED, PushLog

log = logging.getLogger("raytruth")
WOULD_SEND, ALREADY = "would be sent", "stored by an earlier push"
UNANSWERED = "the PACS did not answer"
_MAX_UNANSWERED = 3  # unanswered objects in a row; the rest then waits for another push


@dataclass(frozen=True)
class PushSummary:
    """Outcomes: (kind, outcome) -> number of objects. The verdicts of `outdated` stored objects have changed since."""

    outcomes: Counter[tuple[str, str]]
    left_out: Counter[str]
    outdated: int

    @property
    def complete(self) -> bool:
        """Whether the PACS holds every object that could be made."""
        return all(outcome in (STORED, ALREADY) for _, outcome in self.outcomes)


def push_corrections(root: Root, source: str, *, with_images: bool, send: bool = False) -> PushSummary:
    """Send the corrections of the ledger to a DICOMweb source as Comprehensive SR, and corrected images `with_images`.

    Without `send`, the objects are made and none is sent. An object is sent only if the PACS has the original. It
    counts as stored only when it was read back and equals the object sent. The original is never changed.
    Raises RayTruthError if the source is not a DICOMweb service, or a class has no single code.
    """
    planned = plan(root, with_images=with_images)
    root.paths.pushed.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root.paths.pushed.with_suffix(".lock"))
    with (
        closing(open_archive(root.paths, root.settings.pacs, source)) as archive,
        lock,
        closing(PushLog(root.paths.pushed)) as push_log,
    ):
        if not isinstance(archive, DicomWebArchive):
            raise RayTruthError(
                "Corrections can be sent by DICOMweb only",
                where=f"params.yaml, pacs, sources, {source}",
                do="add the DICOMweb service of this PACS as another source",
            )
        stored = push_log.stored(source)
        outcomes: Counter[tuple[str, str]] = Counter()
        for one, outcome in _each(archive, planned.objects, stored, send):
            outcomes[one.kind, outcome] += 1
            if send and outcome != ALREADY:
                push_log.note(source, one.sent, outcome)
                log.info("%s of image %s: %s", one.kind, one.correction.image_id, outcome)
        push_log.write_list(root.paths.pushed_list, planned.current)
        return PushSummary(outcomes, planned.left_out, len(stored - planned.current))


def _each(
    archive: DicomWebArchive, planned: list[Planned], stored: set[str], send: bool
) -> Iterable[tuple[Planned, str]]:
    silent = 0
    for one in planned:
        if one.sent.sop in stored:
            yield one, ALREADY
            continue
        if silent >= _MAX_UNANSWERED:
            yield one, UNANSWERED
            continue
        try:
            file = make(one, original_of(one.correction, archive))
            outcome = _send(archive, one, file) if send else WOULD_SEND
            silent = 0
        except NoObject as reason:
            outcome = str(reason)
        except Unanswered:
            outcome, silent = UNANSWERED, silent + 1
        yield one, outcome


def _send(archive: DicomWebArchive, one: Planned, file: bytes) -> str:
    """Store one object unless the PACS has it, and return the outcome. Raises Unanswered."""
    sent = one.sent
    if archive.find(sent.study, one.correction.sop) is None:
        return "not sent: the PACS does not have the original"
    found, warning = archive.find(sent.study, sent.sop), ""
    if found is None:
        answer = archive.store(file)
        if answer.refused:
            return answer.refused
        found, warning = archive.find(sent.study, sent.sop), answer.warning
        if found is None:
            return "accepted, but not found afterwards; push again to check"
    try:
        differing = differences(file, archive.fetch(found))
    except (RefusedObject, InvalidDicomError, ValueError, KeyError):
        return "conflict: the object under this UID in the PACS cannot be read back"
    if differing:
        names = ", ".join(differing[:5])
        return f"conflict: the PACS has other content under this UID ({names})" + (f"; {warning}" if warning else "")
    return STORED
