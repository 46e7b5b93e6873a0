"""A correction as a Comprehensive SR, TID 1500 (PS3.16). The image stays unchanged."""

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
# type 2 in the Patient and General Study modules: present even if empty
_PRESENT = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)


def structured_report(correction: Correction, original: Dataset, region: RegionCode) -> Dataset:
    """The report on `original` (its header). The same correction always gives the same object.

    The report states the region that the image shows, and the side only if the new region changes it. Patient and study
    are those of the original. The reviewer is person observer and verifies the report; RayTruth with the model version
    is device observer.
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
    with warnings.catch_warnings(action="ignore"):  # about a reviewer name with a single component
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
    """A reviewer as PN: one component of up to 64 characters, without the separators of components and values."""
    return re.sub(r"[\\^=\x00-\x1f\x7f]", " ", reviewer).strip()[:64]


def _observers(correction: Correction) -> ObservationContext:
    model_version = correction.model_version or "not recorded"
    return ObservationContext(
        observer_person_context=ObserverContext(
            codes.DCM.Person, PersonObserverIdentifyingAttributes(name=person_name(correction.reviewer))
        ),
        observer_device_context=ObserverContext(
            codes.DCM.Device,
            DeviceObserverIdentifyingAttributes(
                uid=fixed_uid("device", model_version),
                name="RayTruth",
                manufacturer_name="RayTruth",
                model_name="RayTruth",
                serial_number=model_version,
            ),
        ),
    )


def _evaluations(original: Dataset, region: RegionCode) -> list[tuple[Code, Code]]:
    side = side_after(original, region.paired)
    return [(_TARGET_REGION, region.code), *([(_LATERALITY, _SIDES[side])] if side != "kept" else [])]


def _subject(original: Dataset) -> Dataset:
    """The original with all texts decoded, so that they can be written in UTF-8 with the name of the reviewer."""
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
