"""Pixel data to stored values, by the fastest decoder there is."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from dagster_project.ingestion.codestreams import check_jpeg2000, check_jpeg_ls
from dagster_project.ingestion.elements import integer, refusing
from dagster_project.ingestion.reasons import RefusedFile

# The fastest decoder of each kind with a permissive licence; others are left to pydicom's choice. For JPEG Baseline it
# would be gdcm, which takes the process down over a stream with bytes too many.
DECODERS = {
    JPEG2000: "pylibjpeg",
    JPEG2000Lossless: "pylibjpeg",
    JPEGBaseline8Bit: "pillow",
    JPEGLossless: "gdcm",
    JPEGLosslessSV1: "gdcm",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    RLELossless: "pylibjpeg",
}


def decode(ds: FileDataset, warned: list[str]) -> np.ndarray:
    """The stored pixel values, (Rows, Columns), in native byte order.

    Raises RefusedFile if there are none, too few or too many, or if the decoder fails.
    """
    data = ds.get("PixelData")
    if not data:
        raise RefusedFile("no_pixels")
    rows, columns = integer(ds, "Rows"), integer(ds, "Columns")
    with refusing("decoder_error"):
        syntax = ds.file_meta.TransferSyntaxUID
        if not syntax.is_compressed:
            _check_length(len(data), rows * columns * integer(ds, "BitsAllocated") // 8, warned)
        if syntax in JPEG2000TransferSyntaxes:
            check_jpeg2000(next(generate_frames(data, number_of_frames=1)), (rows, columns))
        if syntax in JPEGLSTransferSyntaxes:
            check_jpeg_ls(next(generate_frames(data, number_of_frames=1)))
        if syntax in DECODERS:
            ds.pixel_array_options(decoding_plugin=DECODERS[syntax])
        raw = _raw(ds, data, (rows, columns))
        array = ds.pixel_array if raw is None else raw
    if array.shape != (rows, columns) or array.itemsize > 2:
        raise RefusedFile("decoder_error")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _raw(ds: FileDataset, data: bytes, shape: tuple[int, int]) -> np.ndarray | None:
    """What `pixel_array` would give, without its copies: values of 16 bits just as they lie in the file, read-only.

    None if something has to be done to them, or they are not of the commonest kind.
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
