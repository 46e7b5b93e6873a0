"""A correction as a Comprehensive SR, TID 1500 (PS3.16): stored beside the image, which stays as it is."""

from __future__ import annotations

import re
import warnings

from highdicom.sr import (
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DA, DT, TM

from dagster_project.label_quality.corrections.collect import Correction, fixed_uid
from dagster_project.label_quality.corrections.laterality import side_after
from dagster_project.label_quality.corrections.region_codes import RegionCode

_TARGET_REGION = Code("123014", "DCM", "Target Region")
_RADIOGRAPHY = Code("363680008", "SCT", "Radiographic imaging procedure")
_LATERALITY = Code("272741003", "SCT", "Laterality")
_SIDES = {"none": Code("385432009", "SCT", "Not applicable"), "unknown": Code("261665006", "SCT", "Unknown")}
# type 2 in the Patient and General Study modules: present, if empty
_PRESENT = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def report(correction: Correction, original: Dataset, region: RegionCode) -> Dataset:
    """The report on `original` (its header). Making it again gives the same object.

    It says which region the image shows; of the side only what the change of region does to it. Patient and study
    are the original's; the reviewer is person observer and verifies it, RayTruth with the model is device observer.
    Raises ValueError, TypeError or AttributeError if the original's patient or study attributes cannot be written.
    """
    subject = _subject(original)
    value, moment = region.code.value, correction.at.astimezone()
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(correction.uid("tracking", value), "Corrected anatomical region"),
        finding_sites=[FindingSite(anatomic_location=region.code)],
        qualitative_evaluations=[
            QualitativeEvaluation(CodedConcept.from_code(name), CodedConcept.from_code(said))
            for name, said in _evaluations(original, region)
        ],
        source_images=[SourceImageForMeasurementGroup(original.SOPClassUID, original.SOPInstanceUID)],
    )
    with warnings.catch_warnings(action="ignore"):  # that a reviewer's name has one part only
        content = MeasurementReport(
            observation_context=_observers(correction),
            procedure_reported=_RADIOGRAPHY,
            imaging_measurements=[group],
            title=codes.DCM.ImagingMeasurementReport,
        )
        made = ComprehensiveSR(
            evidence=[subject],
            content=content[0],
            series_instance_uid=correction.uid("report series", value),
            series_number=9001,
            sop_instance_uid=correction.uid("report", value),
            instance_number=1,
            manufacturer="RayTruth",
            manufacturer_model_name="RayTruth",
            series_description="Corrected anatomical region",
            content_date=DA(moment.date()),
            content_time=TM(moment.time().replace(microsecond=0)),
            is_complete=True,
            is_final=True,
            is_verified=True,
            verifying_observer_name=person_name(correction.reviewer),
            verifying_organization=str(original.get("InstitutionName") or "not stated")[:64],
            specific_character_set="ISO_IR 192",
        )
    made.InstanceCreationDate, made.InstanceCreationTime = made.ContentDate, made.ContentTime
    made.VerifyingObserverSequence[0].VerificationDateTime = DT(correction.at.strftime("%Y%m%d%H%M%S%z"))
    for equipment in made.ContributingEquipmentSequence:  # highdicom itself
        equipment.ContributionDateTime = DT(correction.at.strftime("%Y%m%d%H%M%S%z"))
    return made


def person_name(reviewer: str) -> str:
    """A reviewer as PN: one component of up to 64 characters, without what separates components and values."""
    return re.sub(r"[\\^=\x00-\x1f\x7f]", " ", reviewer).strip()[:64]


def _observers(correction: Correction) -> ObservationContext:
    model = correction.model or "not recorded"
    return ObservationContext(
        observer_person_context=ObserverContext(
            codes.DCM.Person, PersonObserverIdentifyingAttributes(name=person_name(correction.reviewer))
        ),
        observer_device_context=ObserverContext(
            codes.DCM.Device,
            DeviceObserverIdentifyingAttributes(
                uid=fixed_uid("device", model),
                name="RayTruth",
                manufacturer_name="RayTruth",
                model_name="RayTruth",
                serial_number=model,
            ),
        ),
    )


def _evaluations(original: Dataset, region: RegionCode) -> list[tuple[Code, Code]]:
    side = side_after(original, region.paired)
    return [(_TARGET_REGION, region.code), *([(_LATERALITY, _SIDES[side])] if side != "kept" else [])]


def _subject(original: Dataset) -> Dataset:
    """The original with every text decoded, so that it can be written in UTF-8 beside the reviewer's name."""
    subject = Dataset()
    for group in (0x0008, 0x0010, 0x0020):
        subject.update(original.group_dataset(group))
    subject.decode()
    subject.walk(_plain_names)
    for keyword in _PRESENT:
        if keyword not in subject:
            setattr(subject, keyword, "")
    return subject


def _plain_names(_: Dataset, element: DataElement) -> None:
    if element.VR == "PN" and element.value:
        element.value = str(element.value)
