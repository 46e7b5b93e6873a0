"""The original image of a correction, from its file or, if the file is gone, from the PACS."""

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
    """No object can be made or sent. The text is the reason only, without identities, so it can be logged."""


def original_of(correction: Correction, archive: DicomWebArchive | None) -> bytes:
    """The original as a DICOM file, unchanged. Without an `archive`, only the file of the image is tried.

    Raises NoObject if neither the file nor the PACS has the image, Unanswered if the PACS does not answer.
    """
    with suppress(OSError):
        path = Path(correction.path)
        if path.is_file() and _matches(correction, raw := path.read_bytes()):
            return raw
    if archive is None:
        raise NoObject("the file of the image is gone; name a PACS that has the image")
    if archive.find(correction.study, correction.sop) is None:
        raise NoObject("neither the file nor the PACS has the image")
    try:
        raw = archive.fetch(Instance(correction.study, correction.series, correction.sop))
    except RefusedObject as refused:
        raise NoObject(f"the original cannot be fetched: {refused}") from None
    if not _matches(correction, raw):
        raise NoObject("the PACS returned another object for the original")
    return raw


def _matches(correction: Correction, raw: bytes) -> bool:
    try:
        header = pydicom.dcmread(BytesIO(raw), specific_tags=["SOPInstanceUID"], stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, KeyError):
        return False
    return header.get("SOPInstanceUID") == correction.sop
