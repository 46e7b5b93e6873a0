"""Opening a DICOM file, and reading single elements of it without trusting what they hold."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dagster_project.ingestion.reasons import RefusedFile

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_NATIVE: dict[tuple[bool | None, bool | None], UID] = {  # (implicit VR, little endian) -> transfer syntax
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


def open_dataset(path: Path, warned: list[str], **options: Any) -> FileDataset:
    """Open a DICOM file, also one without preamble or file meta information if it clearly is a picture.

    Appends `no_preamble` to `warned` then. Raises RefusedFile if it is no DICOM file.
    """
    try:
        return pydicom.dcmread(path, **options)
    except InvalidDicomError:
        if not path.stat().st_size:
            raise RefusedFile("empty_file" if _named_dicom(path) else "not_dicom") from None
        refusal = RefusedFile("not_dicom_content" if _named_dicom(path) else "not_dicom")
    try:
        ds = pydicom.dcmread(path, force=True, **options)
    except Exception as error:
        raise refusal from error
    if not all(keyword in ds for keyword in ("SOPClassUID", "Rows", "Columns")):
        raise refusal
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = _NATIVE[ds.original_encoding]
    warned.append("no_preamble")
    return ds


def _named_dicom(path: Path) -> bool:
    return path.suffix.lower() in (".dcm", ".dicom", ".dic", ".ima")


def text(ds: Dataset, keyword: str) -> str:
    """An attribute's value as text without control characters; several values joined by a backslash; '' if none."""
    value = ds.get(keyword)
    if value is None:
        return ""
    if isinstance(value, (MultiValue, list)):
        value = "\\".join(str(v) for v in value)
    return _CONTROL.sub(" ", str(value)).strip()


def parse_date(value: str) -> date | None:
    """A DICOM date (DA, also the retired form with dots), or None if it is none between 1895 and 2199."""
    digits = value.replace(".", "")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
    return day if day and 1895 <= day.year < 2200 else None


def number(ds: Dataset, keyword: str, default: float) -> float:
    """A decimal attribute as float, also written with a comma; its first value if several; `default` if unusable."""
    try:
        return float(text(ds, keyword).split("\\")[0].replace(",", "."))
    except ValueError:
        return default


def integer(ds: Dataset, keyword: str, default: int = 0) -> int:
    """A whole-number attribute; `default` if it is missing or unusable."""
    return int(number(ds, keyword, default))
