"""Decode JPEG Extended with 12 bits by gdcm: pydicom's plug-in refuses it, and Pillow reads only 8 bits."""

from __future__ import annotations

import gdcm
import numpy as np
from pydicom.uid import JPEGExtended12Bit

from dagster_project.intake.ingestion.pixels.codestreams import JpegFrame


def decoded(frame: bytes, header: JpegFrame) -> np.ndarray:
    """12-bit samples, uint16 (rows, columns). Raises ValueError or AttributeError if gdcm returns something else."""
    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(frame)
    fragments.AddFragment(fragment)
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.columns, header.rows, 1))
    image.SetDataElement(pixel_data)
    grey = gdcm.PhotometricInterpretation.MONOCHROME2
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    syntax = gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 12, 12, 11, 0))
    samples = image.GetBuffer().encode("utf-8", "surrogateescape")  # gdcm returns bytes as text
    return np.frombuffer(samples, "<u2").reshape(header.rows, header.columns)
