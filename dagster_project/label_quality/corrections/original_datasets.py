"""The image that a correction is about, as the archive has it: from its file, else from the PACS."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from dagster_project.intake.pacs.client import Instance, RefusedObject
from dagster_project.intake.pacs.dicomweb import DicomWebArchive
from dagster_project.label_quality.corrections.collect import Correction


class NoObject(Exception):
    """No object can be made or sent. Its text is the reason alone, so that it can go into any log."""


def original_of(correction: Correction, archive: DicomWebArchive | None) -> bytes:
    """The original as a DICOM file; nothing is written to it. Without an archive, its file alone will do.

    Raises NoObject if neither the file nor the PACS has it, Unanswered if the PACS does not answer.
    """
    with suppress(OSError):
        path = Path(correction.path)
        if path.is_file() and _is(correction, raw := path.read_bytes()):
            return raw
    if archive is None:
        raise NoObject("the image's file is gone; name a PACS that has it")
    if archive.find(correction.study, correction.sop) is None:
        raise NoObject("the image is gone: neither its file nor the PACS has it")
    try:
        raw = archive.fetch(Instance(correction.study, correction.series, correction.sop))
    except RefusedObject as refused:
        raise NoObject(f"the original cannot be fetched: {refused}") from None
    if not _is(correction, raw):
        raise NoObject("what the PACS gives for the original is another object")
    return raw


def _is(correction: Correction, raw: bytes) -> bool:
    try:
        header = pydicom.dcmread(BytesIO(raw), specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, KeyError):
        return False
    return header.get("SOPInstanceUID") == correction.sop
