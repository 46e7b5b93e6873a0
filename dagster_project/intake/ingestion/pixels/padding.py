"""Pixels that the header declares as padding (PS3.3 C.7.5.1.1.2): they fill the rectangle and are not image."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset

from dagster_project.intake.ingestion.headers.elements import UNUSABLE, byte_order, integer
from dagster_project.intake.ingestion.pixels.lookup_tables import words
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram

_LEAST_LEFT = 0.01  # of the pixels: if padding leaves less than this, it would blank the image


def without_padding(ds: FileDataset, stored: ValueHistogram, warned: list[str]) -> ValueHistogram:
    """The stored values that are image and not padding, by PixelPaddingValue and PixelPaddingRangeLimit.

    Appends `padding_masked` to `warned` if there is padding. If almost nothing would be left, appends
    `padding_ignored`; then all values are image.
    """
    ends = [_stored_values(ds, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not ends[0]:
        return stored
    both = [*ends[0], *ends[1]]
    values = stored.values.astype(np.int32)
    image = (values < min(both)) | (values > max(both))
    if image.all():
        return stored
    if stored.counts[image].sum() < _LEAST_LEFT * stored.counts.sum():
        warned.append("padding_ignored")
        return stored
    warned.append("padding_masked")
    return stored.only(image)


def _stored_values(ds: FileDataset, keyword: str) -> list[int]:
    """The first value of a padding attribute, in the form of the stored pixels; [] if it is missing or unusable.

    The value is signed only if the pixels are, whatever its VR is. A value of BitsStored bits without an extended sign
    is accepted.
    """
    try:
        pattern = int(words(ds[keyword].value, byte_order(ds))[0])
    except UNUSABLE:
        return []
    if integer(ds, "PixelRepresentation") != 1:
        return [pattern]
    half = 2 ** (integer(ds, "BitsStored") - 1)
    size = 2 * half if half <= pattern < 2 * half else 2**16
    return [pattern - size if pattern >= size // 2 else pattern]
