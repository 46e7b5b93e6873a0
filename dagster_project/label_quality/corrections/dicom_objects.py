"""From a correction to the objects that are to be sent, as DICOM files in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.collect import Correction, gather
from dagster_project.label_quality.corrections.corrected_image import corrected_instance
from dagster_project.label_quality.corrections.original_datasets import NoObject
from dagster_project.label_quality.corrections.push_log import Sent
from dagster_project.label_quality.corrections.region_codes import RegionCode, code_of
from dagster_project.label_quality.corrections.structured_report import report

REPORT, INSTANCE = KINDS = ("report", "instance")
_ODD = (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, OSError, RecursionError)


@dataclass(frozen=True)
class Planned:
    """An object that a correction asks for; not made yet."""

    kind: str
    correction: Correction = field(repr=False)
    region: RegionCode

    @property
    def sent(self) -> Sent:
        """Its name in the table of what was sent."""
        said, value = self.correction, self.region.code.value
        uids = said.uid(self.kind, value), said.uid(f"{self.kind} series", value), said.study
        return Sent(self.kind, said.image_id, *uids)


@dataclass(frozen=True)
class Plan:
    """The objects to make, and what is left out. `standing` are the UIDs of all that the verdicts ask for today."""

    objects: list[Planned]
    left_out: Counter[str]
    standing: set[str]


def plan(root: Root, *, instances: bool) -> Plan:
    """A report for each correction of the ledger, and a corrected instance if asked for.

    Raises RayTruthError if a class has no single code, or a verdict names a class that is no more and is not mapped.
    """
    taxonomy = root.taxonomy
    gathered = gather(root)
    coded = {region: code_of(region, taxonomy) for region in {c.region for c in gathered.corrections}}
    kinds = KINDS if instances else (REPORT,)
    objects = [Planned(kind, c, coded[c.region]) for c in gathered.corrections for kind in kinds]
    standing = {c.uid(kind, coded[c.region].code.value) for c in gathered.corrections for kind in KINDS}
    return Plan(objects, gathered.left_out, standing)


def make(planned: Planned, original: bytes) -> bytes:
    """The object as a DICOM file. Raises NoObject if it cannot be made of this original."""
    try:
        if planned.kind == REPORT:
            header = pydicom.dcmread(BytesIO(original), stop_before_pixels=True)
            return _file(report(planned.correction, header, planned.region))
        return _file(corrected_instance(planned.correction, original, planned.region))
    except _ODD as error:  # its text may hold a value of the header
        raise NoObject(f"the {planned.kind} cannot be made of this original ({type(error).__name__})") from None


def _file(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.preamble = b"\0" * 128
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def differences(one: bytes, other: bytes) -> list[str]:
    """Keywords of the top-level attributes in which two DICOM files differ; group 0002 is not looked at."""
    a, b = (pydicom.dcmread(BytesIO(file)) for file in (one, other))
    tags = sorted({*a.keys(), *b.keys()})
    differing = [tag for tag in tags if (tag in a) != (tag in b) or a[tag] != b[tag]]
    return [pydicom.datadict.keyword_for_tag(tag) or str(tag) for tag in differing]
