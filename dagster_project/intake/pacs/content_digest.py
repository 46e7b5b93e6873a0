"""A digest that shows whether two objects under one UID have the same content, however they arrived.

The bytes differ: each PACS and protocol writes its own file meta information, lengths and value representations.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydicom.filereader import read_file_meta_info, read_partial
from pydicom.tag import Tag

from dagster_project.core.atomic_io import content_hash
from dagster_project.intake.ingestion.headers.elements import raw_text, refusing
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.safe_open import open_regular
from dagster_project.intake.privacy.actions import ALLOWED

_PIXEL_DATA = Tag("PixelData")
_USED = sorted(set(ALLOWED) - {"TransferSyntaxUID", "PixelData"})


def content_digest(path: Path) -> str:
    """SHA-256 (hex) of the attributes that ingestion uses and of the pixel data, as stored.

    If the file cannot be read up to its pixel data, the SHA-256 of all bytes. Pixels in another compression count as
    other content.
    """
    try:
        with refusing("damaged_header"):
            return _digest(path)
    except RefusedFile:
        return content_hash(path)


def _digest(path: Path) -> str:
    if read_file_meta_info(path).TransferSyntaxUID.is_deflated:
        raise RefusedFile("damaged_header")  # the inflated size is unknown
    with open_regular(path) as file:
        ds = read_partial(file, lambda tag, *_: tag >= _PIXEL_DATA, specific_tags=[Tag(keyword) for keyword in _USED])
        header = repr([(keyword, raw_text(ds, keyword)) for keyword in _USED])
        file.read(8 if ds.original_encoding[0] else 12)  # tag, value representation and length of PixelData
        return hashlib.file_digest(file, lambda: hashlib.sha256(header.encode("utf-8", "backslashreplace"))).hexdigest()
