"""The identifiers in a used or refused file; the search for identities looks for these in all outputs."""

from __future__ import annotations

from pydicom._dicom_dict import DicomDictionary

from dagster_project.intake.ingestion.headers.elements import Header, refusing, text
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.privacy.identities import NAME, NUMBER, STAFF, UID

_PATIENT_NAMES = (
    *("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "ResponsiblePerson"),
)
_NUMBERS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "PatientTelephoneNumbers")
_UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_OTHER_IDS = "OtherPatientIDsSequence"
_FORMER = ("OriginalAttributesSequence", "ModifiedAttributesSequence")  # before a correction or merge, PS3.3 C.12.1.1.9
_PERSONS = sorted(keyword for vr, _, _, _, keyword in DicomDictionary.values() if vr == "PN" and keyword)
_KINDS = {
    **dict.fromkeys(_PERSONS, STAFF),
    **dict.fromkeys(_PATIENT_NAMES, NAME),
    **dict.fromkeys(_NUMBERS, NUMBER),
    **dict.fromkeys(_UIDS, UID),
}
# All attributes of the standard with a person's name, and the attributes that identify patient, study and image.
IDENTIFYING = (*_KINDS, _OTHER_IDS, *_FORMER)
_LONGEST = 1024  # characters; a name has 324 at most (PS3.5 6.2)


def identifiers_of(ds: Header) -> list[tuple[str, str]]:
    """Kind and value of all readable identifiers in a header; only for `data/private/`."""
    found = [
        (kind, value)
        for header in (ds, *former_attributes(ds))
        for keyword, kind in _KINDS.items()
        if keyword in header
        for value in values_of(header, keyword)
    ]
    items = ds.get(_OTHER_IDS) or []
    return found + [(NUMBER, value) for item in items for value in values_of(item, "PatientID")]


def former_attributes(ds: Header) -> list[Header]:
    """The attributes before each correction or merge; empty if they cannot be read."""
    around, inside = _FORMER
    try:
        with refusing("damaged_header"):
            return [former for item in ds.get(around) or [] for former in item.get(inside) or []]
    except RefusedFile:
        return []


def values_of(ds: Header, keyword: str) -> list[str]:
    """The values of an attribute as text, cut off at the maximum sensible length; empty if they cannot be read."""
    try:
        with refusing("damaged_header"):
            return [value[:_LONGEST] for value in text(ds, keyword).split("\\") if value]
    except RefusedFile:
        return []
