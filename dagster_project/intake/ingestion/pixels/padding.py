"""Pixels that the header declares as padding (PS3.3 C.7.5.1.1.2): they fill a rectangle, and are no image."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset

from dagster_project.intake.ingestion.headers.elements import UNUSABLE, byte_order, integer
from dagster_project.intake.ingestion.pixels.lookup_tables import words
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram

_LEAST_LEFT = 0.01  # of the pixels: a header that declares more than the rest as padding would blank the image


def without_padding(ds: FileDataset, stored: ValueHistogram, warned: list[str]) -> ValueHistogram:
    """The levels of stored values that are image, by PixelPaddingValue and PixelPaddingRangeLimit.

    Appends `padding_masked` to `warned` if there are others, or `padding_ignored` where next to nothing would be left;
    then all are image.
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
    """The first value of a padding attribute as the pixels are stored: [] if it is missing or unusable.

    Signed just if the pixels are, whatever its own VR says; also one of BitsStored bits without its sign extended.
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
