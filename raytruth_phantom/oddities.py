"""Files that are not usable radiographs: broken, foreign, or of another kind, as in every real export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from raytruth_phantom.detector import WHITE
from raytruth_phantom.dicom import empty_file, uid

_CT, _REPORT = UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.5.1.4.1.1.88.11")
_CAPTURE, _FOR_PROCESSING = UID("1.2.840.10008.5.1.4.1.1.7"), UID("1.2.840.10008.5.1.4.1.1.1.1.1")
_DIRECTORY = UID("1.2.840.10008.1.3.10")
_PIXELS = (
    "Rows",
    "Columns",
    "PixelData",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PresentationLUTShape",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
)


def write_oddity(kind: str, ds: Dataset, path: Path) -> tuple[Path, str]:
    """Write the `kind` of broken or foreign file made from the radiograph `ds` near `path`.

    Returns its path and its SOP instance UID, empty if it has none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in _TEXTS:
        name, content = _TEXTS[kind]
        path = path.with_name(name) if name else path
        path.write_bytes(content)
        return path, ""
    if kind == "dicomdir":
        path = path.with_name("DICOMDIR")
        _directory(ds).save_as(path, enforce_file_format=True)
        return path, ""
    if kind == "no_instance_uid":
        del ds.SOPInstanceUID
        del ds.file_meta.MediaStorageSOPInstanceUID
        ds.save_as(path, enforce_file_format=False)
        return path, ""
    _CHANGES[kind](ds)
    ds.save_as(path, enforce_file_format=True)
    if kind == "truncated":
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size * 6 // 10)
    return path, str(ds.SOPInstanceUID)


_TEXTS = {
    "text": ("", b"This is no DICOM file, whatever it is called.\n"),
    "empty": ("", b""),
    "readme": ("README.txt", "Bilder für CANARY, bitte zurück an das Archiv.\n".encode()),
}


def _wrong_length(ds: Dataset) -> None:
    ds.Rows = ds.Rows + 37


def _constant(ds: Dataset) -> None:
    ds.PixelData = np.full((ds.Rows, ds.Columns), 2048, "<u2").tobytes()


def _for_processing(ds: Dataset) -> None:
    """The same exposure before the console's processing: linear, dark where dense."""
    _become(ds, _FOR_PROCESSING)
    ds.PresentationIntentType, ds.Modality = "FOR PROCESSING", "DX"
    values = np.frombuffer(ds.PixelData, "<u2").astype(float) / WHITE
    dense = values if ds.PhotometricInterpretation == "MONOCHROME2" else 1 - values
    ds.PixelData = np.rint(WHITE * np.exp(-4 * dense)).astype("<u2").tobytes()
    ds.PhotometricInterpretation = "MONOCHROME1"
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTSequence", "PresentationLUTShape"):
        ds.pop(keyword, None)
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", -1


def _ct(ds: Dataset) -> None:
    _strip_pixels(ds)
    _become(ds, _CT)
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    slice_ = np.where(x**2 + y**2 < 0.6, 1064, 24).astype("<u2")
    ds.SliceThickness, ds.PixelSpacing = 5.0, [4.0, 4.0]
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    _set_pixels(ds, slice_.tobytes(), (64, 64), 16, "MONOCHROME2", 1)


def _rgb(ds: Dataset) -> None:
    _strip_pixels(ds)
    _become(ds, _CAPTURE)
    ds.Modality, ds.ImageType, ds.ConversionType = "OT", ["DERIVED", "SECONDARY"], "WSD"
    y, x = np.mgrid[0:96, 0:128]
    screen = np.stack([2 * x, 2 * y, 128 + 0 * x], -1).astype(np.uint8)
    _set_pixels(ds, screen.tobytes(), (96, 128), 8, "RGB", 3)
    ds.PlanarConfiguration = 0


def _report(ds: Dataset) -> None:
    _strip_pixels(ds)
    _become(ds, _REPORT)
    ds.Modality, ds.CompletionFlag, ds.VerificationFlag, ds.ValueType = "SR", "COMPLETE", "UNVERIFIED", "CONTAINER"
    line = Dataset()
    line.RelationshipType, line.ValueType, line.TextValue = "CONTAINS", "TEXT", "CANARY: no fracture."
    ds.ContentSequence = Sequence([line])


def _directory(ds: Dataset) -> Dataset:
    directory = empty_file(_DIRECTORY, uid("directory", ds.SOPInstanceUID))
    del directory.SOPClassUID, directory.SOPInstanceUID
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "PATIENT"
    record.PatientName, record.PatientID = ds.PatientName, ds.PatientID
    directory.FileSetID, directory.FileSetConsistencyFlag = "CANARYDISC", 0
    directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    directory.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    directory.DirectoryRecordSequence = Sequence([record])
    return directory


def _become(ds: Dataset, sop_class: UID) -> None:
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class


def _strip_pixels(ds: Dataset) -> None:
    for keyword in _PIXELS:
        ds.pop(keyword, None)


def _set_pixels(ds: Dataset, data: bytes, shape: tuple[int, int], bits: int, meaning: str, samples: int) -> None:
    ds.Rows, ds.Columns = shape
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel, ds.PhotometricInterpretation = bits - 1, 0, samples, meaning
    ds.PixelData = data
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"


_CHANGES = {
    "truncated": lambda ds: None,
    "wrong_length": _wrong_length,
    "constant": _constant,
    "for_processing": _for_processing,
    "ct": _ct,
    "rgb": _rgb,
    "report": _report,
}
