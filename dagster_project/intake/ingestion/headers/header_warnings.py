"""Warnings about files that are used in spite of a flaw."""

from __future__ import annotations

import re

import numpy as np
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dagster_project.intake.ingestion.headers.elements import CONTROL, Header, byte_order, decimal, raw_text, text
from dagster_project.intake.ingestion.headers.fast_elements import FastHeader
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.privacy.actions import items_of
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES

_TEXTS = ("Manufacturer", "ManufacturerModelName", "StationName", "PatientName", "PatientID", *LABEL_ATTRIBUTES[1:])
_DECIMALS = ("KVP", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "NumberOfFrames")
_MARKUP_OR_FORMULA = re.compile(r"</?[A-Za-z!]|^\s*[=+@-]\s*\w+.*[(|!]")
_UNDECODABLE = "\ufffd"
_MOST_ELEMENTS = 50_000  # including elements inside sequences
_MOST_NESTED = 64  # levels of nested sequences; the deepest reports have about twenty


def warnings_of_header(ds: FileDataset | FastHeader) -> list[str]:
    """Warnings about the form of a header, not about its meaning."""
    texts = [raw_text(ds, keyword) for keyword in _TEXTS]
    found = {
        "implicit_vr": ds.original_encoding[0] is True,
        "odd_preamble": any(ds.preamble or b""),
        "charset": _charset_trouble(text(ds, "SpecificCharacterSet").split("\\"), "".join(texts)),
        "odd_text": any(CONTROL.search(t) or _MARKUP_OR_FORMULA.search(t) for t in texts),
        "bad_number": any(_bad_number(ds, keyword) for keyword in _DECIMALS),
    }
    return [reason for reason, holds in found.items() if holds]


def warnings_of_content(ds: FileDataset, stored: np.ndarray, size: int) -> list[str]:
    """Warnings about a complete data set, its decoded pixels `stored` (Rows, Columns), and its file of `size` bytes.

    Raises RefusedFile if its sequences are nested too deep or have too many elements.
    """
    _refuse_deep_nesting(ds, 0)
    found = {
        "private_tags": any(tag.is_private for tag in ds.keys()),  # noqa: SIM118 - iterating converts every element
        "high_bits": _has_high_bits(ds, stored),
        "pixel_padding": _ends_early(ds, size),
    }
    return [reason for reason, holds in found.items() if holds]


def _charset_trouble(declared: list[str], shown: str) -> bool:
    unknown = any(name.strip() not in python_encoding for name in declared)
    return unknown or _UNDECODABLE in shown or (not any(declared) and not shown.isascii())


def _bad_number(ds: Header, keyword: str) -> bool:
    first = text(ds, keyword).split("\\")[0]
    try:
        return bool(first) and (not np.isfinite(decimal(ds, keyword)) or "," in first)
    except ValueError:
        return True


def _refuse_deep_nesting(ds: Dataset, depth: int) -> int:
    """The number of elements, including sequences. Raises RefusedFile if the number or the depth is too large."""
    if depth > _MOST_NESTED:
        raise RefusedFile("nested_too_deep")
    elements = len(ds)
    for tag in list(ds.keys()):
        for item in items_of(ds, tag):
            elements += _refuse_deep_nesting(item, depth + 1)
            if elements > _MOST_ELEMENTS:
                raise RefusedFile("too_large")
    return elements


def is_as_in_file(ds: FileDataset, stored: np.ndarray) -> bool:
    """Whether `stored` is the data set's pixel data itself, without decoding or masking."""
    return np.may_share_memory(stored, np.frombuffer(ds.PixelData, np.uint8))


def _has_high_bits(ds: FileDataset, stored: np.ndarray) -> bool:
    """Whether bits above BitsStored are set, for example by old overlays; pydicom has masked them in `stored`."""
    if ds.file_meta.TransferSyntaxUID.is_compressed or stored.itemsize == 1 or is_as_in_file(ds, stored):
        return False
    raw = np.frombuffer(ds.PixelData, stored.dtype.newbyteorder(byte_order(ds)), count=stored.size)
    return not np.array_equal(raw, stored.ravel())


def _ends_early(ds: FileDataset, size: int) -> bool:
    """Whether other bytes follow the pixel data in the file."""
    pixels = ds["PixelData"]
    if pixels.is_undefined_length or ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return False
    return (pixels.file_tell or size) + len(pixels.value) < size
