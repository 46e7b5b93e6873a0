"""From pixel data to stored values, by the fastest available decoder."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from dagster_project.intake.ingestion.headers.elements import integer, refusing
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.pixels import jpeg_extended
from dagster_project.intake.ingestion.pixels.codestreams import check_jpeg, check_jpeg2000, check_jpeg_ls, jpeg_frame
from dagster_project.intake.ingestion.pixels.frames import only_frame

# The fastest decoder with a permissive licence for each transfer syntax; pydicom chooses the decoder for all others.
# For JPEG Baseline the fastest is gdcm, but gdcm crashes the process on a stream with too many bytes.
DECODERS = {
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",  # for 8 bits; jpeg_extended.py decodes 12 bits
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    RLELossless: "pylibjpeg",
}
_LOSSLESS_JPEG = (JPEGLossless, JPEGLosslessSV1)
_KEEPS_HIGH_BITS = (*_LOSSLESS_JPEG, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless, HTJ2KLosslessRPCL)


def decode(ds: FileDataset, warned: list[str]) -> np.ndarray:
    """The stored pixel values, (Rows, Columns), in native byte order.

    Raises RefusedFile if there are no pixels, too few or too many, or if the decoder fails.
    """
    data = ds.get("PixelData")
    if not data:
        raise RefusedFile("no_pixels")
    rows, columns = integer(ds, "Rows"), integer(ds, "Columns")
    with refusing("decoder_error"):
        if ds.file_meta.TransferSyntaxUID.is_compressed:
            array = _decompressed(ds, only_frame(data, warned), (rows, columns), warned)
        else:
            _check_length(len(data), rows * columns * integer(ds, "BitsAllocated") // 8, warned)
            raw = _raw(ds, data, (rows, columns))
            array = ds.pixel_array if raw is None else raw
    if array.shape != (rows, columns) or array.itemsize > 2:
        raise RefusedFile("decoder_error")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _decompressed(ds: FileDataset, frame: bytes, shape: tuple[int, int], warned: list[str]) -> np.ndarray:
    """The stored values of a frame; only the attributes of group 0028 of `ds` are used."""
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax in JPEG2000TransferSyntaxes:
        check_jpeg2000(frame, shape)
    if syntax in JPEGLSTransferSyntaxes:
        check_jpeg_ls(frame)
    if syntax in (*_LOSSLESS_JPEG, JPEGBaseline8Bit, JPEGExtended12Bit):
        check_jpeg(frame, lossless=syntax in _LOSSLESS_JPEG)
    if syntax == JPEGExtended12Bit and jpeg_frame(frame).precision > 8:
        return _extended(ds, frame, shape)
    described = ds.group_dataset(0x0028)
    described.PixelData = encapsulate([frame], has_bot=False)
    array, _ = get_decoder(syntax).as_array(described, decoding_plugin=DECODERS.get(syntax, ""))
    return _stored_bits(ds, array, warned) if syntax in _KEEPS_HIGH_BITS else array


def _stored_bits(ds: FileDataset, array: np.ndarray, warned: list[str]) -> np.ndarray:
    """The BitsStored bits of lossless values, because old overlays may be in the bits above (PS3.5 8.1.1).

    Other decoders mask these bits. Lossy values may overshoot, and have no extra bits.
    """
    unused = 8 * array.itemsize - integer(ds, "BitsStored")
    if unused <= 0:
        return array
    stored = (array << unused) >> unused  # extends the sign of signed values
    if not np.array_equal(stored, array):
        warned.append("high_bits")
    return stored


def _extended(ds: FileDataset, frame: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Decode JPEG Extended with 12 bits; the header says whether values are signed."""
    header, bits = jpeg_frame(frame), integer(ds, "BitsStored")
    if (header.rows, header.columns) != shape or header.components != 1 or not header.precision == 12 <= bits:
        raise RefusedFile("decoder_error")
    array = jpeg_extended.decoded(frame, header)
    if integer(ds, "PixelRepresentation") != 1:
        return array
    unused = 16 - bits
    return (array << unused).view(np.int16) >> unused


def _raw(ds: FileDataset, data: bytes, shape: tuple[int, int]) -> np.ndarray | None:
    """The result of `pixel_array` without copies: 16-bit values as in the file, read-only.

    None if the values need processing, or are not of the most common kind.
    """
    plain = ds.file_meta.TransferSyntaxUID in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    form = [integer(ds, keyword, -1) for keyword in ("BitsAllocated", "PixelRepresentation", "SamplesPerPixel")]
    if not plain or form != [16, 0, 1] or integer(ds, "NumberOfFrames", 1) != 1:
        return None
    raw = np.frombuffer(data, "<u2", count=shape[0] * shape[1]).reshape(shape)
    return raw if raw.max() < 2 ** integer(ds, "BitsStored") else None


def _check_length(found: int, expected: int, warned: list[str]) -> None:
    if found < expected:
        raise RefusedFile("pixels_short")
    if found > expected + 1:
        raise RefusedFile("pixels_long")
    if found == expected + 1 and expected % 2 == 0:
        warned.append("pixel_padding")
