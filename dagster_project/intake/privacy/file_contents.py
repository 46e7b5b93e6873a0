"""The content of a file as bytes to search in, also from parquet, SQLite, gzip and zip files."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

# Minimum length of a pattern. In binary files short patterns occur by chance; in the numbers of an image or a network
# even longer patterns do: a smooth dark area is a row of digits.
TEXT, BINARY, NUMBERS = 1, 8, 16
_CHUNK = 8 << 20
_OVERLAP = 4096  # bytes; longer than any pattern
_ROWS = 65_536
_NPY_HEADER = 128
_MOST_HEADER = 100 << 20


@dataclass(frozen=True)
class Piece:
    """Bytes to search in. `within` names the part of the file, `least` is the minimum length of a pattern."""

    within: str
    data: bytes
    least: int = TEXT


def pieces_of(path: Path) -> Iterator[Piece]:
    """Yield the content of a file in overlapping pieces of some megabytes.

    Raises OSError, ValueError (including pyarrow's errors), zlib.error, EOFError, sqlite3.Error or zipfile.BadZipFile
    if the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(0)
        if start[:4] == b"PAR1":
            yield from _parquet(path)
        elif start == b"SQLite format 3\0":
            yield from _sqlite(path)
        elif start[:4] == b"PK\3\4":
            yield from _zip(file)
        elif start[:2] == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield from _stream(unpacked, "unpacked")  # type: ignore[arg-type]
        else:
            yield from _stream(file, "")


def _stream(file: BinaryIO, within: str) -> Iterator[Piece]:
    chunk = file.read(_CHUNK)
    if chunk[:6] == b"\x93NUMPY":
        yield Piece(within, chunk[:_NPY_HEADER])
        least = NUMBERS
    elif header := _safetensors_header(chunk):
        yield Piece(within, header)
        least = NUMBERS
    elif chunk[:8] == b"\x89PNG\r\n\x1a\n" or chunk[:3] == b"\xff\xd8\xff":
        least = NUMBERS
    else:
        least = BINARY if b"\0" in chunk[:65_536] else TEXT
    before = b""
    while chunk:
        yield Piece(within, before + chunk, least)
        before, chunk = (before + chunk)[-_OVERLAP:], file.read(_CHUNK)


def _safetensors_header(chunk: bytes) -> bytes:
    """The JSON at the beginning of a safetensors file; empty for any other file."""
    length = int.from_bytes(chunk[:8], "little")
    if not 2 <= length <= min(len(chunk) - 8, _MOST_HEADER) or chunk[8:9] != b"{":
        return b""
    header = chunk[8 : 8 + length]
    try:
        json.loads(header)
    except ValueError:
        return b""
    return header


def _parquet(path: Path) -> Iterator[Piece]:
    """Texts and whole numbers by column, each value once per block of rows, and the content of the schema."""
    file = pq.ParquetFile(path)
    metadata = file.schema_arrow.metadata or {}
    yield Piece("schema", b"\n".join((str(file.schema_arrow).encode(), *metadata.keys(), *metadata.values())))
    for batch in file.iter_batches(_ROWS):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not (pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
                yield Piece(f"column {name}", _lines(column))


def _lines(column: pa.Array) -> bytes:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary
    if not pa.types.is_nested(column.type):
        column = pc.unique(column)
    values = (v if isinstance(v, bytes) else str(v).encode("utf-8", "surrogatepass") for v in column.to_pylist())
    return b"\n".join(values)


def _sqlite(path: Path) -> Iterator[Piece]:
    """All texts and numbers by table, including changes that are not yet in the main file of the database."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as database:
        database.text_factory = bytes
        tables = [name.decode() for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            rows = database.execute(f'select * from "{table.replace(chr(34), chr(34) * 2)}"')
            lines, size = [], 0
            for row in rows:
                line = b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row if v is not None)
                lines.append(line)
                size += len(line)
                if size > _CHUNK:
                    yield Piece(f"table {table}", b"\n".join(lines))
                    lines, size = [], 0
            yield Piece(f"table {table}", b"\n".join(lines))


def _zip(file: BinaryIO) -> Iterator[Piece]:
    with zipfile.ZipFile(file) as archive:
        yield Piece("names of members", "\n".join(archive.namelist()).encode())
        for member in archive.infolist():
            with archive.open(member) as unpacked:
                yield from _stream(unpacked, "a member")  # type: ignore[arg-type]
