"""From corrections to the objects to send, as DICOM files in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.collect import Correction, collect_corrections
from dagster_project.label_quality.corrections.corrected_image import corrected_image
from dagster_project.label_quality.corrections.original_datasets import NoObject
from dagster_project.label_quality.corrections.push_log import Sent
from dagster_project.label_quality.corrections.region_codes import RegionCode, code_of
from dagster_project.label_quality.corrections.structured_report import structured_report

REPORT, INSTANCE = KINDS = ("report", "instance")
_ODD = (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, OSError, RecursionError)


@dataclass(frozen=True)
class Planned:
    """An object to make for a correction."""

    kind: str
    correction: Correction = field(repr=False)
    region: RegionCode

    @property
    def sent(self) -> Sent:
        """The entry for the object in the push log."""
        about, value = self.correction, self.region.code.value
        uids = about.uid(self.kind, value), about.uid(f"{self.kind} series", value), about.study
        return Sent(self.kind, about.image_id, *uids)


@dataclass(frozen=True)
class Plan:
    """The objects to make, and what is left out. `current` are the UIDs of all objects for the current verdicts."""

    objects: list[Planned]
    left_out: Counter[str]
    current: set[str]


def plan(root: Root, *, with_images: bool) -> Plan:
    """A report for each correction of the ledger, and a corrected image too if `with_images`.

    Raises RayTruthError if a class has no single code, or a verdict names a former class that is not mapped.
    """
    taxonomy = root.taxonomy
    found = collect_corrections(root)
    coded = {region: code_of(region, taxonomy) for region in {c.region for c in found.corrections}}
    kinds = KINDS if with_images else (REPORT,)
    objects = [Planned(kind, c, coded[c.region]) for c in found.corrections for kind in kinds]
    current = {c.uid(kind, coded[c.region].code.value) for c in found.corrections for kind in KINDS}
    return Plan(objects, found.left_out, current)


def make(planned: Planned, original: bytes) -> bytes:
    """The object as a DICOM file. Raises NoObject if it cannot be made from this original."""
    try:
        if planned.kind == REPORT:
            header = pydicom.dcmread(BytesIO(original), stop_before_pixels=True)
            return _file(structured_report(planned.correction, header, planned.region))
        return _file(corrected_image(planned.correction, original, planned.region))
    except _ODD as error:  # the error text may contain a value of the header
        raise NoObject(f"the {planned.kind} cannot be made from this original ({type(error).__name__})") from None


def _file(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.preamble = b"\0" * 128
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def differences(one: bytes, other: bytes) -> list[str]:
    """Keywords of the top-level attributes that differ between two DICOM files, without group 0002."""
    a, b = (pydicom.dcmread(BytesIO(file)) for file in (one, other))
    tags = sorted({*a.keys(), *b.keys()})
    differing = [tag for tag in tags if (tag in a) != (tag in b) or a[tag] != b[tag]]
    return [pydicom.datadict.keyword_for_tag(tag) or str(tag) for tag in differing]
