"""Small DICOM radiographs for tests, valid unless told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

DX = "1.2.840.10008.5.1.4.1.1.1.1"
CR = "1.2.840.10008.5.1.4.1.1.1"


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    """A coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def image(seed: int = 0, shape: tuple[int, int] = (80, 60)) -> np.ndarray:
    """A smooth 12-bit image that differs with every seed; uint16."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    waves = sum(rng.normal() * np.sin(rng.uniform(3, 20) * x + rng.uniform(3, 20) * y) for _ in range(6))
    scaled = (waves - waves.min()) / np.ptp(waves)
    return (200 + 3600 * scaled).astype(np.uint16)


def radiograph(seed: int = 0, **elements: Any) -> FileDataset:
    """A DX radiograph of a knee. `elements` are set by keyword; None deletes one; `pixels` replaces the image."""
    pixels = elements.pop("pixels", image(seed))
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, DX
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = DX, generate_uid(entropy_srcs=["sop", str(seed)])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(seed)])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["series", str(seed)])
    ds.PatientID, ds.PatientName = f"CANARYID{seed:04d}", f"CANARYNAME^{seed:04d}"
    ds.PatientBirthDate, ds.PatientSex, ds.AccessionNumber = "19600101", "F", f"CANARYACC{seed:04d}"
    ds.StudyDate, ds.Modality, ds.BodyPartExamined = "20260301", "DX", "KNEE"
    ds.Manufacturer, ds.ManufacturerModelName, ds.StationName = "ACME", "DR-1", "ROOM1"
    ds.ViewPosition, ds.ImageLaterality, ds.PresentationIntentType = "AP", "R", "FOR PRESENTATION"
    ds.AnatomicRegionSequence = Sequence([code("72696002", "Knee")])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    return ds


def save(ds: Dataset, path: Path) -> Path:
    """Write a data set as a DICOM file, making folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write_export(folder: Path, regions: dict[str, int], *, first_seed: int = 0) -> Path:
    """An export of small images, one a patient: BodyPartExamined term -> how many. Images differ at random."""
    seed = first_seed
    for term, count in regions.items():
        for _ in range(count):
            ds = radiograph(seed, BodyPartExamined=term, AnatomicRegionSequence=Sequence([]))
            save(ds, folder / ds.PatientID / f"IM{seed:05d}.dcm")
            seed += 1
    return folder
