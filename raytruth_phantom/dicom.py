"""The DICOM header of a synthetic radiograph, with CANARY in everything that identifies a person."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from raytruth_phantom.detector import WHITE
from raytruth_phantom.labels import Label, Term
from raytruth_phantom.patients import Patient
from raytruth_phantom.plan import Exposure
from raytruth_phantom.radiograph import Radiograph
from raytruth_phantom.sites import Site

DX, CR = UID("1.2.840.10008.5.1.4.1.1.1.1"), UID("1.2.840.10008.5.1.4.1.1.1")
_IMPLEMENTATION = UID("2.25.4711")

# protocol names as used on the consoles
_WORDS = {
    "shoulder": {"en": "Shoulder", "de": "Schulter"},
    "humerus": {"en": "Humerus", "de": "Oberarm"},
    "elbow": {"en": "Elbow", "de": "Ellenbogen"},
    "forearm": {"en": "Forearm", "de": "Unterarm"},
    "wrist": {"en": "Wrist", "de": "Handgelenk"},
    "hand": {"en": "Hand", "de": "Hand"},
    "pelvis": {"en": "Pelvis", "de": "Becken"},
    "femur": {"en": "Femur", "de": "Oberschenkel"},
    "knee": {"en": "Knee", "de": "Knie"},
    "lower_leg": {"en": "Lower leg", "de": "Unterschenkel"},
    "ankle": {"en": "Ankle", "de": "Sprunggelenk"},
    "foot": {"en": "Foot", "de": "Fuß"},
    "cervical_spine": {"en": "C-spine", "de": "HWS"},
    "thoracolumbar_spine": {"en": "T/L-spine", "de": "BWS/LWS"},
}
_PLANES = {"AP": "a.p.", "PA": "p.a.", "LL": "seitl.", "RL": "seitl."}


def uid(*parts: object) -> UID:
    """A UID that depends on `parts` alone."""
    return UID("2.25." + str(int(hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:30], 16)))


def code(term: Term) -> Dataset:
    """A code item (SNOMED CT)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = term.code, "SCT", term.meaning
    return item


def patient_id(site: Site, seed: int, index: int) -> str:
    """The identifier of the patient with that index."""
    return "CANARYID" + hashlib.sha256(f"{site.name}|{seed}|{index}".encode()).hexdigest()[:10].upper()


def empty_file(sop_class: UID, sop_instance: UID) -> Dataset:
    """A data set with file meta information, ready to be filled and saved."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.preamble = b"\0" * 128
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, sop_instance
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = sop_class, sop_instance
    ds.file_meta.TransferSyntaxUID, ds.file_meta.ImplementationClassUID = ExplicitVRLittleEndian, _IMPLEMENTATION
    return ds


def add_identity(
    ds: Dataset, shot: Exposure, patient: Patient, site: Site, seed: int, rng: np.random.Generator
) -> None:
    """Who, when and where: patient, study, series, institution."""
    identifier = patient_id(site, seed, shot.patient)
    ds.SpecificCharacterSet = "ISO_IR 192" if site.language == "en" else "ISO_IR 100"
    ds.PatientName, ds.PatientID = f"CANARYNAME^{identifier[-4:]}", identifier
    ds.PatientBirthDate, ds.PatientSex = "19000101", patient.sex
    ds.PatientAge = f"{int(patient.age):03d}Y" if patient.age >= 2 else f"{int(patient.age * 12):03d}M"
    ds.PatientAddress, ds.OtherPatientIDs = f"CANARY STREET {shot.patient + 1}", f"CANARYOLD{identifier[-6:]}"
    ds.PatientComments, ds.ImageComments = "CANARY knows the way", "CANARY, please call back"
    study = ("study", site.name, seed, shot.patient, shot.study)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(*study), uid("series", ds.SOPInstanceUID)
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = str(shot.study + 1), shot.number + 1, 1
    ds.AccessionNumber = f"CANARYACC{identifier[-4:]}{shot.study}"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = shot.taken.strftime("%Y%m%d")
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = shot.taken.strftime("%H%M%S")
    ds.ReferringPhysicianName, ds.PerformingPhysicianName = "CANARYPHYSICIAN^X", "CANARYPHYSICIAN^Y"
    ds.OperatorsName, ds.RequestingPhysician = "CANARYOPERATOR^Z", "CANARYPHYSICIAN^W"
    ds.InstitutionName, ds.InstitutionAddress = "CANARYHOSPITAL", "CANARY SQUARE 1"
    ds.Manufacturer, ds.ManufacturerModelName, ds.StationName = shot.room.manufacturer, shot.room.model, shot.room.name
    ds.DeviceSerialNumber = f"CANARY{shot.room.name}"
    if rng.random() < 0.3:
        ds.StudyDescription = f"CANARY {_words(shot.region, site)}"
    block = ds.private_block(0x0011, "CANARY CONSOLE", create=True)
    block.add_new(0x01, "LO", f"CANARY {identifier}")
    block.add_new(0x02, "UN", b"CANARY\0\1")


def _words(region: str, site: Site) -> str:
    return _WORDS.get(region, {"en": "Radiograph", "de": "Röntgen"})[site.language]


def add_label(ds: Dataset, label: Label, position: str, site: Site) -> None:
    """The region as written by the console: BodyPartExamined, coded region (DX), descriptions of the same protocol."""
    if label.body_part:
        # local words break the rules of CS (lower case, umlauts), as in real archives
        ds.add(DataElement("BodyPartExamined", "CS", label.body_part, validation_mode=config.IGNORE))
    words = (
        _words(label.given_region, site) if label.given_region else (label.term.meaning if label.term else "Radiograph")
    )
    plane = _PLANES.get(position, "schräg") if site.language == "de" else position
    ds.ProtocolName = ds.SeriesDescription = f"{words} {plane}".strip()
    ds.AcquisitionDeviceProcessingDescription = words.upper()
    if ds.SOPClassUID == DX:
        ds.AnatomicRegionSequence = Sequence([code(label.term)] if label.term else [])


def add_pixels(ds: Dataset, values: NDArray[np.uint16], inverted: bool) -> None:
    """Twelve bits in sixteen; `values` (rows, columns), bright where dense, are stored inverted for MONOCHROME1."""
    stored = (WHITE - values if inverted else values).astype("<u2")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if inverted else "MONOCHROME2"
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"


def add_grey_scale(ds: Dataset, rng: np.random.Generator) -> None:
    """Conversion of stored values to grey: sometimes a rescale other than identity, a window, a table, or nothing."""
    slope, intercept = 1.0, 0.0
    if rng.random() < 0.15:
        slope, intercept = ((1.0, -1024.0), (0.5, 0.0), (2.0, 100.0))[int(rng.integers(3))]
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = slope, intercept, "US"
    ds.PresentationLUTShape = "INVERSE" if ds.PhotometricInterpretation == "MONOCHROME1" else "IDENTITY"
    kind = rng.choice(["window", "table", "none"], p=[0.75, 0.12, 0.13])
    if kind == "table" and slope == 1.0 and intercept == 0.0:
        curve = 1 / (1 + np.exp(-(np.arange(4096) - 2048) / 640))
        item = Dataset()
        item.LUTDescriptor, item.LUTExplanation = [4096, 0, 12], "NORMAL"
        item.add_new("LUTData", "OW", np.rint(curve * WHITE).astype("<u2").tobytes())
        ds.VOILUTSequence = Sequence([item])
    elif kind != "none":
        narrow = float(rng.choice([1.0, 1.0, 0.8]))
        ds.WindowCenter, ds.WindowWidth = 2048 * slope + intercept, 4096 * slope * narrow


def dataset(shot: Exposure, image: Radiograph, patient: Patient, site: Site, seed: int) -> Dataset:
    """The whole file of one exposure; all other values are drawn from the exposure's key and variant."""
    # the same exposure stored twice keeps its header as it is
    variant = "" if shot.variant in ("image", "same_file") else shot.variant
    rng = np.random.default_rng(int(uid("header", shot.key, variant)[5:]))
    is_dx, inverted = rng.random() < site.dx, rng.random() < 0.33
    ds = empty_file(DX if is_dx else CR, uid("sop", shot.key, variant))
    add_identity(ds, shot, patient, site, seed, rng)
    position = shot.view.position if shot.view else ""
    ds.Modality, ds.ImageType = ("DX", ["ORIGINAL", "PRIMARY", ""]) if is_dx else ("CR", ["ORIGINAL", "PRIMARY"])
    if position:
        ds.ViewPosition = position
    ds.KVP, ds.Exposure = image.kvp, max(1, round(image.exposure))
    ds.ExposureInuAs = max(1, round(image.exposure * 1000))
    ds.DistanceSourceToDetector, ds.FieldOfViewShape = 1150, "RECTANGLE"
    ds.ImagerPixelSpacing = [image.pixel_spacing, image.pixel_spacing]
    if is_dx:
        ds.ImageLaterality, ds.PresentationIntentType = shot.side or "U", "FOR PRESENTATION"
        ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
        ds.BurnedInAnnotation, ds.LossyImageCompression = "YES" if image.burned_in else "NO", "00"
        ds.DetectorType, ds.PositionerType, ds.AcquisitionContextSequence = "SCINTILLATOR", "NONE", Sequence([])
        ds.PatientOrientation = ["L", "F"]
    else:
        if shot.side:
            ds.Laterality = shot.side
        ds.PlateType, ds.CassetteSize = "FLAT", "24CMX30CM"
    add_label(ds, shot.label, position, site)
    add_pixels(ds, image.pixels, bool(inverted))
    add_grey_scale(ds, rng)
    return ds
