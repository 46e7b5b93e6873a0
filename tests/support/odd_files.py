"""Files that are odd, broken or hostile: each function here writes one to a path, or returns what does."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from support.dicoms import image, radiograph, save
from support.hostile import (
    SEQUENCE_END,
    deflated,
    element,
    nested,
    spliced,
    tag_of,
    with_value,
)

Make = Callable[[Path], object]
OTHER_CLASSES = {
    "secondary capture": "1.2.840.10008.5.1.4.1.1.7",
    "report": "1.2.840.10008.5.1.4.1.1.88.22",
    "encapsulated PDF": "1.2.840.10008.5.1.4.1.1.104.1",
    "mammography": "1.2.840.10008.5.1.4.1.1.1.2",
    "presentation state": "1.2.840.10008.5.1.4.1.1.11.1",
    "private class": "1.3.12.2.1107.5.9.1",
}
LATIN = "Knie f\xfcr \xdcbersicht"
ABOVE_BITS = 0x8000
BIG_ENDIAN = "1.2.840.10008.1.2.2"
CUT_STREAMS = {JPEG2000Lossless: "decoder_error", JPEGLSLossless: "pixels_short", RLELossless: "decoder_error"}
EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
SIZE_OF_IMAGE = struct.pack(">II", 60, 80)
ENORMOUS = SIZE_OF_IMAGE, struct.pack(">II", 2**31 - 1, 2**31 - 1)


def plain(**elements: Any) -> Make:
    return lambda path: save(radiograph(**elements), path)


def with_text(text: str) -> Make:
    page = Image.new("F", (450, 600), 400)
    page.paste(Image.fromarray(image(1, (300, 450)).astype(np.float32)), (0, 300))
    ImageDraw.Draw(page).text((20, 20), text, fill=4000, font=ImageFont.load_default(34))
    return plain(pixels=np.asarray(page).astype(np.uint16))


def raw(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def value(keyword: str, vr: str, content: bytes) -> Make:
    return lambda path: with_value(path, keyword, vr, content)


def more(tag: int, content: bytes) -> Make:
    """A radiograph with an element added byte by byte."""

    def make(path: Path) -> None:
        path.write_bytes(spliced(save(radiograph(), path).read_bytes(), tag, content))

    return make


def cut(after: int) -> Make:
    return lambda path: path.write_bytes(save(radiograph(), path).read_bytes()[:after])


def appended(content: bytes) -> Make:
    return lambda path: path.write_bytes(save(radiograph(), path).read_bytes() + content)


def compressed(syntax: str, change: Callable[[Dataset], object] = lambda ds: None) -> Make:
    def make(path: Path) -> None:
        ds = radiograph()
        ds.compress(syntax)
        change(ds)
        save(ds, path)

    return make


def baseline_said_to_be_lossless(path: Path) -> None:
    """An 8-bit JPEG Baseline stream under a lossless transfer syntax."""
    ds = radiograph()
    pixels, file = (ds.pixel_array // 16).astype(np.uint8), BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData, ds["PixelData"].VR, ds["PixelData"].is_undefined_length = encapsulate([file.getvalue()]), "OB", True
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    save(ds, path)


def claiming(syntax: str) -> Make:
    """Plain pixel data, said to be compressed."""

    def make(path: Path) -> None:
        ds = radiograph()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([ds.PixelData])
        ds["PixelData"].is_undefined_length = True
        save(ds, path)

    return make


def unencapsulated(path: Path) -> None:
    """A compressed transfer syntax in the meta information over plain pixel data of defined length."""
    content = save(radiograph(), path).read_bytes()
    old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def without_meta(path: Path) -> None:
    content = save(radiograph(), path).read_bytes()
    (length,) = struct.unpack_from("<I", content, 140)
    path.write_bytes(content[144 + length :])


def without_preamble(path: Path) -> None:
    path.write_bytes(save(radiograph(), path).read_bytes()[132:])


def implicit(path: Path) -> None:
    ds = radiograph()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    ds.save_as(path, enforce_file_format=True)


def big_endian(path: Path) -> None:
    ds = radiograph()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.2"
    ds.PixelData = image(0).astype(">u2").tobytes()
    dcmwrite(path, ds, enforce_file_format=True)


def meta_of_another(path: Path) -> None:
    ds = radiograph()
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    ds.save_as(path, enforce_file_format=False)


def private(path: Path) -> None:
    ds = radiograph()
    ds.private_block(0x0009, "CANARY", create=True).add_new(1, "LO", "CANARY")
    save(ds, path)


def polyglot(path: Path) -> None:
    ds = radiograph()
    ds.preamble = b"II*\0" + b"\1" * 124
    save(ds, path)


def huge(path: Path) -> None:
    save(radiograph(), path)
    os.truncate(path, 8 << 30)


def nothing(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


def plan_without_meta(path: Path) -> None:
    plain(Modality="RTPLAN", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.5", Rows=None, PixelData=None)(path)
    content = path.read_bytes()
    path.write_bytes(content[144 + struct.unpack_from("<I", content, 140)[0] :])


def tile_missing(path: Path) -> None:
    """A codestream whose only tile says that it is one of four."""
    ds = radiograph()
    ds.compress(JPEG2000Lossless)
    content = bytearray(save(ds, path).read_bytes())
    size = content.index(b"\xff\x51")
    struct.pack_into(">II", content, size + 6, 120, 160)
    path.write_bytes(content)
    ds = dcmread(path)
    ds.Rows, ds.Columns = 160, 120
    save(ds, path)


def cut_stream(syntax: str, keep: float) -> Make:
    """A compressed image whose last bytes are missing, in a file that is whole otherwise."""

    def cut(ds: Dataset) -> None:
        frame = next(generate_frames(ds.PixelData, number_of_frames=1))
        ds.PixelData = encapsulate([frame[: int(keep * len(frame))]])

    return compressed(syntax, cut)


def high_bits(path: Path) -> None:
    pixels = image(0)
    pixels[10:20, 10:20] |= ABOVE_BITS
    save(radiograph(pixels=pixels), path)


def not_utf8(path: Path) -> None:
    content = save(radiograph(), path).read_bytes()
    for keyword, vr, new in (("SpecificCharacterSet", "CS", b"ISO_IR 192"), ("StudyDescription", "LO", b"Kn\xfc\xdc")):
        content = spliced(content, tag_of(keyword), element(tag_of(keyword), vr, new))
    path.write_bytes(content)


def nested_private(vr: str, *, defined: bool) -> Make:
    """A thousand sequences within each other under a private tag of no creator, `vr` written out."""
    return more(0x00091010, nested(1000, defined=defined, tag=0x00091010, vr=vr))


def encapsulated_as(syntax: str) -> Make:
    """RLE fragments under a transfer syntax without compression."""

    def make(path: Path) -> None:
        ds = radiograph()
        ds.compress(RLELossless)
        ds.file_meta.TransferSyntaxUID, fragments = syntax, ds.PixelData
        ds.PixelData = b"END"
        dcmwrite(path, ds, enforce_file_format=True, implicit_vr=False, little_endian=syntax != BIG_ENDIAN)
        content = path.read_bytes()
        path.write_bytes(content[: content.rindex(b"END") - 4] + b"\xff" * 4 + fragments + SEQUENCE_END)

    return make


def two_frames(ds: Dataset) -> None:
    """One frame said, two there."""
    ds.PixelData = encapsulate([next(generate_frames(ds.PixelData, number_of_frames=1))] * 2)


def with_icon(**elements: Any) -> Make:
    icon = Dataset()
    icon.Rows = icon.Columns = 8
    icon.BitsAllocated, icon.BitsStored, icon.HighBit, icon.PixelRepresentation = 8, 8, 7, 0
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.add_new("PixelData", "OB", bytes(range(64)))
    return plain(IconImageSequence=Sequence([icon]), **elements)


def of_floats(path: Path) -> None:
    save(radiograph(PixelData=None, FloatPixelData=image(0).astype("<f4").tobytes(), BitsAllocated=32), path)


def odd_length(more: int) -> Make:
    """16-bit pixel data of one byte more, or less, than their number."""

    def make(path: Path) -> None:
        content = bytearray(save(radiograph(), path).read_bytes())
        at, size = content.rindex(b"\xe0\x7f\x10\0OW") + 8, image(0).nbytes
        struct.pack_into("<I", content, at, size + more)
        path.write_bytes((content + b"\7")[: at + 4 + size + more])

    return make


def announcing(length: int) -> Make:
    """A whole image in pixel data of another length by their own word."""

    def make(path: Path) -> None:
        content = bytearray(save(radiograph(), path).read_bytes())
        struct.pack_into("<I", content, content.rindex(b"\xe0\x7f\x10\0OW") + 8, length)
        path.write_bytes(content)

    return make


def padded(value: int, limit: int) -> Make:
    return plain(PixelPaddingValue=value, PixelPaddingRangeLimit=limit)


def zipped(path: Path) -> None:
    content = save(radiograph(), path).read_bytes()
    with ZipFile(path, "w") as archive:
        archive.writestr("IM0001.dcm", content)


def deflated_with_zlibs_header(path: Path) -> None:
    content = deflated(radiograph(), path).read_bytes()
    data = 144 + struct.unpack_from("<I", content, 140)[0]
    path.write_bytes(content[:data] + zlib.compress(zlib.decompress(content[data:], -zlib.MAX_WBITS)))


def lut(first: int, entries: list[int], count: int | None = None) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(entries) if count is None else count, first, 16])
    item.add_new("LUTData", "US", entries)
    return Sequence([item])


def in_part(after: int, then: bytes = b"", size: int = 100 << 30) -> Make:
    """A file whose beginning was written; the rest are zeros, of which the disk stores none."""

    def make(path: Path) -> None:
        path.write_bytes(save(radiograph(), path).read_bytes()[:after] + then)
        os.truncate(path, size)

    return make
