"""Open a DICOM file, and read single elements without trusting their content."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from struct import error as StructError
from typing import Literal

from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dagster_project.intake.ingestion.headers.fast_elements import FastHeader
from dagster_project.intake.ingestion.headers.lengths import false_lengths
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.safe_open import open_regular

Header = Dataset | FastHeader

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# What pydicom raises for an attribute of a damaged file, or Python for its conversion to a number
UNUSABLE = (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError, StructError)
_PIXEL_DATA = Tag("PixelData")
_MOST_ELEMENTS = 50_000  # outside sequences; without a limit, a gigabyte of empty elements takes minutes
_FIRST_GROUPS = (b"\2\0", b"\0\2", b"\10\0", b"\0\10")  # 0002 and 0008, in either byte order
_NATIVE: dict[tuple[bool | None, bool | None], UID] = {  # (implicit VR, little endian) -> transfer syntax
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}


@contextmanager
def refusing(reason: str) -> Iterator[None]:
    """Turn any error that a hostile file causes into RefusedFile, with `reason` unless the error gives a clearer one.

    MemoryError is passed on, because the limit of the worker handles it.
    """
    try:
        yield
    except (RefusedFile, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic in a Rust decoder is not an Exception
        if _ran_out_of_stack(error):
            reason = "nested_too_deep"
        elif isinstance(error, OSError) and error.errno:  # an OSError raised by pydicom has no errno
            reason = "unreadable"
        raise RefusedFile(reason) from error


def _ran_out_of_stack(error: BaseException | None) -> bool:
    """Whether the error is, or was caused by, a RecursionError; pydicom wraps some of these errors."""
    while error is not None and not isinstance(error, RecursionError):
        error = error.__cause__ or error.__context__
    return error is not None


def open_dataset(path: Path, warned: list[str], only: list[str] | None = None) -> FileDataset:
    """Open a DICOM file up to and including its pixel data; with `only`, just these attributes and no pixels.

    A file without preamble or file meta information is opened if its SOP class is known or the file clearly is an
    image; `no_preamble` is then added to `warned`. Without `only`, a wrong length field adds `false_length`.
    Raises RefusedFile if the file is not a DICOM file.
    """
    try:
        ds = _read(path, only)
        usual = bool(ds.file_meta.get("TransferSyntaxUID"))
    except InvalidDicomError:
        ds = _read_by_force(path, only)
        usual = False
    if not usual:
        warned.append("no_preamble")
    if not ds.file_meta.get("TransferSyntaxUID"):
        ds.file_meta.TransferSyntaxUID = _NATIVE[ds.original_encoding]
    if not only and false_lengths(ds, path):
        warned.append("false_length")
    return ds


def _read(path: Path, only: list[str] | None, *, force: bool = False) -> FileDataset:
    count = 0

    def past_the_end(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal count
        count += 1
        if count > _MOST_ELEMENTS:
            raise RefusedFile("too_large")
        return tag >= _PIXEL_DATA if only else tag > _PIXEL_DATA  # anything may follow the pixels

    with open_regular(path) as file:
        tags: list[BaseTag | int] | None = [Tag(keyword) for keyword in only] if only else None
        return read_partial(file, past_the_end, force=force, specific_tags=tags)


def _read_by_force(path: Path, only: list[str] | None) -> FileDataset:
    if not path.stat().st_size:
        raise RefusedFile("empty_file" if _named_dicom(path) else "not_dicom")
    reason = "not_dicom_content" if _named_dicom(path) else "not_dicom"
    with open_regular(path) as file:
        if file.read(2) not in _FIRST_GROUPS:  # gigabytes of zeros would be read to their end
            raise RefusedFile(reason)
    with refusing(reason):
        ds = _read(path, only, force=True)
    known = UID(text(ds, "SOPClassUID")).type == "SOP Class"
    if not known and not all(keyword in ds for keyword in ("SOPClassUID", "Rows", "Columns")):
        raise RefusedFile(reason)
    return ds


def _named_dicom(path: Path) -> bool:
    return path.suffix.lower() in (".dcm", ".dicom", ".dic", ".ima")


def byte_order(ds: FileDataset) -> Literal["<", ">"]:
    """The byte order of the file's numbers, in NumPy's notation."""
    return "<" if ds.file_meta.TransferSyntaxUID.is_little_endian else ">"


def raw_text(ds: Header, keyword: str) -> str:
    """An attribute's value as unchanged text; several values are joined by a backslash; '' if there is none."""
    if isinstance(ds, FastHeader):
        return ds.texts.get(keyword, "")
    value = ds.get(keyword)
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (MultiValue, list)):
        return "\\".join(str(v) for v in value)
    return str(value)


def text(ds: Header, keyword: str) -> str:
    """An attribute's value as text without control characters; several values joined by a backslash; '' for none."""
    if isinstance(ds, FastHeader):
        return ds.texts.get(keyword, "")
    return CONTROL.sub(" ", raw_text(ds, keyword)).strip()


def parse_date(value: str) -> date | None:
    """A DICOM date (DA, also the retired form with dots); None if it is not a date between 1895 and 2199."""
    digits = value.replace(".", "")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
    return day if day and 1895 <= day.year < 2200 else None


def decimal(ds: Header, keyword: str) -> float:
    """The first value of a decimal attribute as float; a decimal comma is accepted. Raises ValueError if invalid."""
    return parse_decimal(text(ds, keyword).split("\\")[0])


def parse_decimal(value: str) -> float:
    """A decimal number's text as float; a decimal comma is accepted. Raises ValueError if invalid."""
    return float(value.replace(",", "."))


def number(ds: Header, keyword: str, default: float) -> float:
    """A decimal attribute as float, read by `decimal`; `default` if the value is missing, unusable or infinite."""
    try:
        value = decimal(ds, keyword)
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def integer(ds: Header, keyword: str, default: int = 0) -> int:
    """A whole-number attribute; `default` if the value is missing or unusable."""
    return int(number(ds, keyword, default))
