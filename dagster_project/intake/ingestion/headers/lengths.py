"""Wrong length fields. No length field is trusted; a wrong one gives a warning if the file is otherwise complete."""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dagster_project.intake.ingestion.headers.fast_elements import (
    FalseLength,
    FastHeader,
    NotPlain,
    read_elements,
    wanted_tags,
)
from dagster_project.intake.ingestion.headers.safe_open import open_regular

_UNDEFINED = 0xFFFFFFFF
_META = 132  # bytes: where the file meta information begins
MOST_META = 1 << 13  # bytes at the start of a file, within which its file meta information ends
_MOST_HEADER = 1 << 20
_GROUP_LENGTH = b"\2\0\0\0UL\4\0"
_PIXEL_DATA, _FIRST_OF_DATA = 0x7FE00010, 0x00030000
_SEQUENCES = wanted_tags(("AnatomicRegionSequence", "ModalityLUTSequence", "VOILUTSequence"))
_NATIVE = {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}


def false_lengths(ds: FileDataset, path: Path) -> bool:
    """Whether a length is wrong: of the meta information, the pixel data, or inside a sequence that is read.

    The length of the pixel data is wrong if the file ends earlier, or if it is undefined without compression (PS3.5 A.1
    to A.3). The pixel data of `ds` must not have been accessed before.
    """
    pixels = ds.get_item(_PIXEL_DATA) if _PIXEL_DATA in ds else None
    if not isinstance(pixels, RawDataElement):
        return False
    with open_regular(path) as file:
        head = file.read(min(pixels.value_tell, _MOST_HEADER))
    return _false_pixel_length(ds, pixels) or _false_meta_length(head) or _false_item_length(ds, head)


def data_set_start(head: bytes) -> int | None:
    """The start of the data set in a file that begins with `head`, found from the elements and not from length fields.

    None if the elements are not plain.
    """
    try:
        return read_elements(head, _META, len(head), _FIRST_OF_DATA, {}, FastHeader(), None, 0)
    except (NotPlain, struct.error, UnicodeDecodeError):
        return None


def _false_pixel_length(ds: FileDataset, pixels: RawDataElement) -> bool:
    if pixels.length == _UNDEFINED:
        return ds.file_meta.TransferSyntaxUID in _NATIVE
    return len(pixels.value or b"") < pixels.length


def _false_meta_length(head: bytes) -> bool:
    if not head.startswith(b"DICM" + _GROUP_LENGTH, _META - 4):
        return False
    begin = _META + len(_GROUP_LENGTH)
    (stated,) = struct.unpack_from("<L", head, begin)
    return data_set_start(head) not in (None, begin + 4 + stated)


def _false_item_length(ds: FileDataset, head: bytes) -> bool:
    """Only plain data sets are checked."""
    start = data_set_start(head) if head.startswith(b"DICM", _META - 4) else None
    if start is None or ds.file_meta.TransferSyntaxUID in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
        return False
    header = FastHeader(implicit=ds.original_encoding[0] is True)
    try:
        read_elements(head, start, len(head), _PIXEL_DATA, _SEQUENCES, header, None, 0)
    except FalseLength:
        return True
    except (NotPlain, struct.error, UnicodeDecodeError):
        return False
    return False
