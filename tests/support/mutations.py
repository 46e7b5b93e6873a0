"""Valid radiographs in every transfer syntax that is read, and the ways in which files get damaged."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import gdcm
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, RLELossless

from support.dicoms import image, radiograph, save
from support.hostile import deflated
from support.jpeg import flat_blocks

SYNTAXES = (
    *("explicit", "implicit", "big endian", "deflated"),
    *("rle", "jpeg-ls", "jpeg 2000", "jpeg lossless", "jpeg", "jpeg extended"),
)
KINDS = ("flip", "overwrite", "cut", "drop", "insert", "length", "swap", "repeat", "representation", "value")
_COMPRESSED = {"rle": RLELossless, "jpeg-ls": JPEGLSLossless, "jpeg 2000": JPEG2000Lossless}
_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF)
_REPRESENTATIONS = (b"SQ", b"UN", b"OW", b"OB", b"US", b"SS", b"DS", b"IS", b"PN", b"UI", b"AT", b"FD", b"UT", b"??")
_WIDE = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR")


@dataclass(frozen=True)
class Mutation:
    """A way to damage a file, at a place in 0..1 of its bytes or elements, with a number to draw the rest from."""

    kind: str
    place: float
    seed: int


@cache
def valid(syntax: str, seed: int) -> bytes:
    """A valid radiograph as a file's bytes."""
    ds = radiograph(seed)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        if syntax == "deflated":
            deflated(ds, path)
        elif syntax == "jpeg lossless":
            _with_gdcm(save(ds, path))
        else:
            _prepared(ds, syntax, seed)
            dcmwrite(path, ds, enforce_file_format=True)
        return path.read_bytes()


def _prepared(ds: Dataset, syntax: str, seed: int) -> None:
    if syntax in _COMPRESSED:
        ds.compress(_COMPRESSED[syntax])
    elif syntax == "implicit":
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    elif syntax == "big endian":
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
        ds.PixelData = image(seed).astype(">u2").tobytes()
    elif syntax == "jpeg":
        frame = io.BytesIO()
        Image.fromarray((image(seed) >> 4).astype(np.uint8)).save(frame, "JPEG")
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        _encapsulated(ds, frame.getvalue())
    elif syntax == "jpeg extended":
        ds.file_meta.TransferSyntaxUID = JPEGExtended12Bit
        ds.Columns = 56
        _encapsulated(ds, flat_blocks(image(seed)[::8, ::8][:, :7]))


def _encapsulated(ds: Dataset, frame: bytes) -> None:
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True


def _with_gdcm(path: Path) -> None:
    """Compress a file to JPEG Lossless in place, which pydicom cannot."""
    reader, writer, change = gdcm.ImageReader(), gdcm.ImageWriter(), gdcm.ImageChangeTransferSyntax()
    reader.SetFileName(str(path))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(path))
    assert writer.Write()


@dataclass(frozen=True)
class Recipe:
    """Which valid file, and the mutations that are applied to it one after another."""

    syntax: str
    seed: int
    mutations: tuple[Mutation, ...]

    def made(self) -> bytes:
        raw = valid(self.syntax, self.seed)
        for mutation in self.mutations:
            raw = _mutated(raw, mutation) if raw else raw
        return raw


def random_recipe(random: Random) -> Recipe:
    """A valid file with one to four mutations."""
    count = random.choice((1, 1, 1, 2, 2, 4))
    mutations = (Mutation(random.choice(KINDS), random.random(), random.randrange(2**32)) for _ in range(count))
    return Recipe(random.choice(SYNTAXES), random.randrange(3), tuple(mutations))


def _mutated(raw: bytes, mutation: Mutation) -> bytes:
    random, kind = Random(mutation.seed), mutation.kind
    at, size = min(int(mutation.place * len(raw)), len(raw) - 1), random.choice((1, 1, 2, 4, 16, 300))
    if kind == "flip":
        return raw[:at] + bytes([raw[at] ^ 1 << random.randrange(8)]) + raw[at + 1 :]
    if kind == "overwrite":
        return raw[:at] + _bytes(random, size) + raw[at + size :]
    if kind == "cut":
        return raw[:at]
    if kind == "drop":
        return raw[:at] + raw[at + size :]
    if kind == "insert":
        return raw[:at] + _bytes(random, size) + raw[at:]
    return _element_mutated(raw, mutation, random)


def _bytes(random: Random, size: int) -> bytes:
    return random.choice((bytes(size), b"\xff" * size, random.randbytes(size)))


def _element_mutated(raw: bytes, mutation: Mutation, random: Random) -> bytes:
    elements = _elements(raw)
    if not elements:
        return raw
    start, value, end = elements[min(int(mutation.place * len(elements)), len(elements) - 1)]
    other_start, _, other_end = random.choice(elements)
    number = random.choice((*_NUMBERS, end - value + 1, max(end - value - 1, 0)))
    if mutation.kind == "length":
        wide = value - start == 12
        length = struct.pack("<I", number) if wide else struct.pack("<H", number & 0xFFFF)
        return raw[: value - len(length)] + length + raw[value:]
    if mutation.kind == "swap":
        (a, b), (c, d) = sorted([(start, end), (other_start, other_end)])
        return raw if a == c else raw[:a] + raw[c:d] + raw[b:c] + raw[a:b] + raw[d:]
    if mutation.kind == "repeat":
        return raw[:end] + raw[start:end] * random.choice((1, 2, 50)) + raw[end:]
    if mutation.kind == "representation":
        return raw[: start + 4] + random.choice(_REPRESENTATIONS) + raw[start + 6 :]
    width = min(end - value, random.choice((1, 2, 4)))
    return raw[:value] + struct.pack("<I", number)[:width] + raw[value + width :]


def _elements(raw: bytes) -> list[tuple[int, int, int]]:
    """Where each explicit little endian element begins, its value begins, and it ends, as far as they can be told."""
    found, at = [], 132
    while at + 12 <= len(raw):
        wide = raw[at + 4 : at + 6] in _WIDE
        (length,) = struct.unpack_from("<I" if wide else "<H", raw, at + (8 if wide else 6))
        value = at + (12 if wide else 8)
        end = min(value + length, len(raw))
        found.append((at, value, end))
        at = end
    return found
