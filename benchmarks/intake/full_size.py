"""Phantom images at the full size of a detector, 2500 x 2048 in 16 bits, in any lossless transfer syntax."""

from __future__ import annotations

import tempfile
from itertools import cycle
from pathlib import Path

import gdcm
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from raytruth_phantom.hospital import write_hospital

SHAPE = (2500, 2048)  # rows, columns
SYNTAXES = {
    "JPEG Lossless": JPEGLosslessSV1,
    "JPEG 2000": JPEG2000Lossless,
    "JPEG-LS": JPEGLSLossless,
    "RLE": RLELossless,
}
_GRAIN = 6.0  # stored values, of 4095: detector noise added to the enlarged image, which has no noise of its own


def write_full_size(out: Path, count: int, *, shape: tuple[int, int] = SHAPE, seed: int = 1) -> list[Path]:
    """Write `count` radiographs of `shape` under `out`, raw, each of another patient and exposure; return their paths.

    They are phantom images with their headers, enlarged and with some grain; the same arguments give the same files.
    """
    rng = np.random.default_rng(seed)
    written = []
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "phantom"
        write_hospital(small, patients=max(2, count // 3), seed=seed, out_of_domain=0, workers=1)
        sources = [ds for path in sorted((small / "dicom").rglob("*.dcm")) if (ds := _radiograph(path))]
        for number, ds in zip(range(count), cycle(sources), strict=False):
            ds = dcmread(ds.filename)
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(
                entropy_srcs=["full", str(number)]
            )
            ds.PixelData = _enlarged(ds, shape, rng).tobytes()
            ds.Rows, ds.Columns = shape
            written.append(out / f"{number:05d}.dcm")
            out.mkdir(parents=True, exist_ok=True)
            ds.save_as(written[-1], enforce_file_format=True)
    return written


def compressed(raw: Path, out: Path, syntax: UID) -> Path:
    """Write a file of `write_full_size` in another lossless transfer syntax, by gdcm; its pixels stay the same."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(raw))
    if not reader.Read():
        raise RuntimeError("gdcm cannot read the file")
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise RuntimeError(f"gdcm cannot encode {syntax.name}")
    out.parent.mkdir(parents=True, exist_ok=True)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(out))
    if not writer.Write():
        raise RuntimeError("gdcm cannot write the file")
    return out


def _radiograph(path: Path) -> Dataset | None:
    """The data set of a file that is a usable image, else None: the phantom's hospital also has broken files."""
    ds = dcmread(path, force=True)
    whole = ds.get("Modality") in ("CR", "DX") and ds.get("SamplesPerPixel") == 1 and "SOPInstanceUID" in ds
    whole = whole and ds.get("PresentationIntentType") != "FOR PROCESSING"
    if not whole or len(ds.get("PixelData") or b"") != 2 * ds.Rows * ds.Columns or not np.ptp(ds.pixel_array):
        return None
    return ds


def _enlarged(ds: Dataset, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    page = Image.fromarray(ds.pixel_array.astype(np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC)
    grainy = np.asarray(page) + rng.normal(0, _GRAIN, shape).astype(np.float32)
    return np.clip(np.rint(grainy), 0, 2**ds.BitsStored - 1).astype("<u2")
