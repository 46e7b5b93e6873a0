"""Size limits for files and their content, so that no file fills a process or blocks it for long."""

from __future__ import annotations

import zlib
from pathlib import Path

from pydicom.dataset import FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dagster_project.intake.ingestion.headers.elements import integer
from dagster_project.intake.ingestion.headers.fast_elements import FastHeader
from dagster_project.intake.ingestion.headers.lengths import MOST_META, data_set_start
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.safe_open import open_regular
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES

_LONGEST_VALUE = 1 << 20  # bytes; a LUT of 65,536 entries takes 128 KiB
_MOST_CODES = 1000
_BYTES_A_PIXEL = 4  # twice the 16 bits of a pixel, which leaves room for everything else in a file
_SMALLEST_LIMIT = 32 << 20  # bytes
_STEP = 1 << 22


def refuse_floods(ds: FileDataset) -> None:
    """Refuse a header that would fill the process that collects the rows: a huge attribute, or too many codes.

    Raises RefusedFile `too_large`.
    """
    if any(len(ds.get_item(tag).value or b"") > _LONGEST_VALUE for tag in ds.keys()):  # noqa: SIM118
        raise RefusedFile("too_large")
    if len(ds.get(LABEL_ATTRIBUTES[0]) or []) > _MOST_CODES:
        raise RefusedFile("too_large")


def refuse_too_large(ds: FileDataset | FastHeader, file: SourceFile, max_megapixels: float) -> None:
    """Refuse an image with too many pixels, and a file that is too large or inflates to too many bytes.

    Raises RefusedFile `too_large`.
    """
    if integer(ds, "Rows") * integer(ds, "Columns") > max_megapixels * 1e6:
        raise RefusedFile("too_large")
    most = max(int(_BYTES_A_PIXEL * max_megapixels * 1e6), _SMALLEST_LIMIT)
    if file.size > most:
        raise RefusedFile("too_large")
    if isinstance(ds, FastHeader):  # never deflated
        return
    if ds.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian and _inflates_beyond(Path(file.path), most):
        raise RefusedFile("too_large")


def _inflates_beyond(path: Path, most: int) -> bool:
    """Whether a deflated data set (PS3.5 A.5) has more than `most` bytes; inflated in steps, against zip bombs."""
    unpacker, total = zlib.decompressobj(wbits=-zlib.MAX_WBITS), 0
    with open_regular(path) as file:
        start = data_set_start(file.read(MOST_META))
        if start is None:
            raise RefusedFile("damaged_header")
        file.seek(start)
        packed = file.read()
    while packed and total <= most:
        total += len(unpacker.decompress(packed, _STEP))
        packed = unpacker.unconsumed_tail
    return total > most
