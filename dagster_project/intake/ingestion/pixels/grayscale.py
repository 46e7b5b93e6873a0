"""From stored to displayed pixel values: modality LUT or rescale, then VOI LUT or window (PS3.3 C.11.1, C.11.2).

pydicom 3.0's functions are not used: they wrap the indices of an 8-bit LUT, reverse a window after a negative slope,
and fail for a LUT that begins below zero. A step of the header is applied unless it is impossible or would blank the
image; then the next step that the header offers is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as DicomSequence

from dagster_project.intake.ingestion.headers.elements import (
    UNUSABLE,
    byte_order,
    decimal,
    integer,
    number,
    parse_decimal,
    text,
)
from dagster_project.intake.ingestion.pixels.contrast import grey_share
from dagster_project.intake.ingestion.pixels.lookup_tables import LookupTable, lookup_table
from dagster_project.intake.ingestion.pixels.value_histogram import ValueHistogram

_BLANK = 0.01  # of the grey pixels: a step that leaves fewer of them grey blanks the image


def rescaled(ds: FileDataset, stored: ValueHistogram, warned: list[str]) -> ValueHistogram:
    """Stored values after the first usable modality LUT, otherwise after the rescale, float32.

    Appends `rescaled` to `warned` if the values change, and `rescale_ignored` if a step was skipped because it is
    unusable or would blank the image.
    """
    plain = stored.mapped(stored.values.astype(np.float32))
    signed = integer(ds, "PixelRepresentation") == 1
    steps = [
        *(partial(_through_lut, ds, item, plain, signed) for item in _items(ds, "ModalityLUTSequence")),
        partial(_rescaled, ds, plain),
    ]
    after = _first_usable(steps, warned, "rescale_ignored")
    if after is None or after is plain:
        return plain
    warned.append("rescaled")
    return after


def windowed(ds: FileDataset, levels: ValueHistogram, warned: list[str]) -> ValueHistogram:
    """Values after the first usable VOI LUT, otherwise the first usable window, otherwise unchanged; float32.

    Appends `voi_ignored` to `warned` if a step was skipped because it is unusable or would blank the image.
    """
    steps = [
        *(partial(_through_lut, ds, item, levels, _may_be_negative(ds)) for item in _items(ds, "VOILUTSequence")),
        *(partial(_through_window, ds, window, levels) for window in _windows(ds)),
    ]
    return _first_usable(steps, warned, "voi_ignored") or levels


def _first_usable(
    steps: Sequence[Callable[[], ValueHistogram]], warned: list[str], reason: str
) -> ValueHistogram | None:
    """The result of the first usable step, None if there is none; adds `reason` to `warned` if a step is unusable."""
    for step in steps:
        try:
            return step()
        except UNUSABLE:
            warned += [reason] if reason not in warned else []
    return None


def _items(ds: Dataset, keyword: str) -> Sequence[Dataset]:
    """The items of a sequence; one unusable item if the value is not a sequence."""
    value = ds.get(keyword)
    return value if isinstance(value, DicomSequence) else [Dataset()] if value else []


def _through_lut(ds: FileDataset, item: Dataset, before: ValueHistogram, signed: bool) -> ValueHistogram:
    """`signed`: whether the LUT's input is signed; used if the VR is not in the file (PS3.3 C.11.2.1.1)."""
    table = lookup_table(item, byte_order(ds), signed=signed if ds.original_encoding[0] else None)
    readings = [partial(_looked_up, table, first, before) for first in table.firsts]
    after = _first_usable(readings, [], "")
    if after is None:
        raise ValueError("unusable LUT")
    return after


def _looked_up(table: LookupTable, first: int, before: ValueHistogram) -> ValueHistogram:
    return _checked(before.mapped(table.looked_up(before.values, first)), before)


def _may_be_negative(ds: Dataset) -> bool:
    """Whether the modality step can give negative values for any stored value; a modality LUT never does."""
    if ds.get("ModalityLUTSequence"):
        return False
    bits, signed = integer(ds, "BitsStored"), integer(ds, "PixelRepresentation") == 1
    lowest = -(2 ** (bits - 1)) if signed else 0
    slope, intercept = number(ds, "RescaleSlope", 1), number(ds, "RescaleIntercept", 0)
    return min(slope * lowest, slope * (lowest + 2**bits - 1)) + intercept < 0


def _rescaled(ds: Dataset, plain: ValueHistogram) -> ValueHistogram:
    slope = decimal(ds, "RescaleSlope") if text(ds, "RescaleSlope") else 1.0
    intercept = decimal(ds, "RescaleIntercept") if text(ds, "RescaleIntercept") else 0.0
    if (slope, intercept) == (1, 0):
        return plain
    return _checked(plain.mapped(plain.values * np.float32(slope) + np.float32(intercept)), plain)


def _windows(ds: Dataset) -> list[tuple[str, str]]:
    """The centers and widths of the windows, as written."""
    centers, widths = text(ds, "WindowCenter"), text(ds, "WindowWidth")
    return list(zip(centers.split("\\"), widths.split("\\"), strict=False)) if centers and widths else []


def _through_window(ds: Dataset, window: tuple[str, str], before: ValueHistogram) -> ValueHistogram:
    """Values after a window, in 0..1; raises ValueError if the window is unusable."""
    center, width = (np.float32(parse_decimal(part)) for part in window)
    function = text(ds, "VOILUTFunction").upper() or "LINEAR"
    if function == "LINEAR":
        center, width = center - np.float32(0.5), width - 1
    if not width > 0:
        raise ValueError("unusable window")
    if function == "SIGMOID":
        return _checked(before.mapped(1 / (1 + np.exp(-4 * (before.values - center) / width))), before)
    if function not in ("LINEAR", "LINEAR_EXACT"):
        raise ValueError("unknown VOI LUT function")
    return _checked(before.mapped(np.clip((before.values - center) / width + np.float32(0.5), 0, 1)), before)


def _checked(after: ValueHistogram, before: ValueHistogram) -> ValueHistogram:
    """Return `after`, the values after a step; raises ValueError if they are not finite or the image is blank.

    A window may saturate many pixels: often the direct exposure is outside the window and fills most of the image.
    """
    values = after.values
    if not np.isfinite(values).all() or values.min() == values.max() or grey_share(after) < _BLANK * grey_share(before):
        raise ValueError("blanks the image")
    return after
