"""A corrected copy of an image (opt-in): a new object that records the replaced values; pixel data are unchanged."""

from __future__ import annotations

from copy import deepcopy
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from dagster_project.label_quality.corrections.collect import Correction
from dagster_project.label_quality.corrections.laterality import side_after
from dagster_project.label_quality.corrections.original_datasets import NoObject
from dagster_project.label_quality.corrections.region_codes import RegionCode

_REGION = ("BodyPartExamined", "AnatomicRegionSequence", "PrimaryAnatomicStructureSequence")
_IDENTITY = ("SOPInstanceUID", "SeriesInstanceUID")


def corrected_image(correction: Correction, raw: bytes, region: RegionCode) -> Dataset:
    """The original `raw` with the region corrected, under a new SOP and Series Instance UID.

    It has a series of its own, because BodyPartExamined belongs to the series. The previous values and UIDs are added
    to OriginalAttributesSequence (PS3.3 C.12.1.1.9) after its existing items.
    Raises NoObject if the corrected region has two sides and the original states that it has none: the side, which is
    type 1 (PS3.3 C.8.11.1.1), is not known then.
    """
    ds = pydicom.dcmread(BytesIO(raw))
    side = side_after(ds, region.paired)
    if side == "unknown":
        raise NoObject("no corrected image: the side is not known")
    before = Dataset()
    if "SpecificCharacterSet" in ds:
        before.SpecificCharacterSet = ds.SpecificCharacterSet
    lateral = [name for name in ("ImageLaterality", "Laterality") if side == "none" and name in ds]
    for keyword in (*_REGION, *_IDENTITY, *lateral):
        if keyword in ds:
            before[keyword] = deepcopy(ds[keyword])
        elif keyword in _REGION[:2]:
            setattr(before, keyword, None)  # absent before
    value = region.code.value
    ds.SOPInstanceUID = UID(correction.uid("instance", value))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.SeriesInstanceUID = correction.uid("instance series", value)
    ds.BodyPartExamined = region.term
    ds.AnatomicRegionSequence = Sequence([_code_item(region)])
    ds.pop("PrimaryAnatomicStructureSequence", None)
    if "ImageLaterality" in lateral:
        ds.ImageLaterality = "U"
    if "Laterality" in lateral:
        del ds.Laterality  # 2C: only of a paired part
    ds.OriginalAttributesSequence = Sequence(
        [*ds.get("OriginalAttributesSequence", []), _previous_values(correction, before)]
    )
    return ds


def _code_item(region: RegionCode) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = region.code.value, region.code.scheme_designator
    item.CodeMeaning = region.code.meaning
    return item


def _previous_values(correction: Correction, before: Dataset) -> Dataset:
    item = Dataset()
    item.SourceOfPreviousValues = ""
    item.AttributeModificationDateTime = correction.at.strftime("%Y%m%d%H%M%S%z")
    item.ModifyingSystem = "RayTruth"
    item.ReasonForTheAttributeModification = "CORRECT"
    item.ModifiedAttributesSequence = Sequence([before])
    return item
