"""Evidence in a header about the patient of a file: it links patients, under keyed pseudonyms.

A row means that a patient has a study, a series, an image or a number. Patients who share one are the same person.
"""

from __future__ import annotations

from typing import NamedTuple

from dagster_project.intake.ingestion.headers.elements import Header, parse_date, refusing, text
from dagster_project.intake.ingestion.headers.identifiers import former_attributes, values_of
from dagster_project.intake.ingestion.headers.pseudonyms import Pseudonyms
from dagster_project.intake.ingestion.headers.reasons import RefusedFile
from dagster_project.intake.ingestion.headers.uids import is_valid_uid

STUDY, SERIES, IMAGE, PATIENT_ID = "study", "series", "image", "patient_id"
_UIDS = {STUDY: "StudyInstanceUID", SERIES: "SeriesInstanceUID", IMAGE: "SOPInstanceUID"}
_COMPARED = 8  # hexadecimal digits of pseudonyms that are only compared


class Evidence(NamedTuple):
    """`patient` has the thing of kind `evidence` (one of the four above) with the pseudonym `value`.

    `issuer` is the pseudonym of the issuer of a patient ID, '' if it is unknown (PS3.3 C.2.1). `sex` is F, M, O or ''.
    `birth_date` is a pseudonym that also depends on `value`, '' if unknown: it can only be compared between patients
    who share a `value`.
    """

    patient: str
    evidence: str
    value: str
    issuer: str
    sex: str
    birth_date: str


def patient_of(ds: Header, pseudonyms: Pseudonyms) -> str:
    """The pseudonym of the patient with the ID and issuer in a header."""
    return pseudonyms.of("patient", text(ds, "IssuerOfPatientID"), text(ds, "PatientID"))


def evidence_of(ds: Header, pseudonyms: Pseudonyms) -> list[Evidence]:
    """All evidence about the patient in the header of a used or refused file; empty if the header names no patient.

    Unreadable values, invalid UIDs and placeholders instead of another ID are ignored.
    """
    number, issuer = _value(ds, "PatientID"), _value(ds, "IssuerOfPatientID")
    if not number.strip("\\ "):
        return []
    patient = pseudonyms.of("patient", issuer, number)
    born, sex = parse_date(_value(ds, "PatientBirthDate")), _value(ds, "PatientSex").upper()

    def row(kind: str, value: str, of_issuer: str = "") -> Evidence:
        issued = pseudonyms.of("issuer", of_issuer)[:_COMPARED] if of_issuer else ""
        birth_date = pseudonyms.of("birth_date", value, born.isoformat())[:_COMPARED] if born else ""
        return Evidence(patient, kind, value, issued, sex if sex in ("F", "M", "O") else "", birth_date)

    former = former_attributes(ds)
    found = [
        row(kind, pseudonyms.of(kind, uid))
        for header in (ds, *former)
        for kind, keyword in _UIDS.items()
        if is_valid_uid(uid := _value(header, keyword))
    ]
    ids = [(number, issuer), *_other_ids(ds, former, (number, issuer))]
    found += [row(PATIENT_ID, pseudonyms.of(PATIENT_ID, other), other_issuer) for other, other_issuer in ids]
    return list(dict.fromkeys(found))


def _other_ids(ds: Header, former: list[Header], own: tuple[str, str]) -> list[tuple[str, str]]:
    """Other numbers of the same patient, current or before a correction, with their issuers ('' if unknown)."""
    found = [(number.strip(), "") for number in values_of(ds, "OtherPatientIDs")]
    for item in (*_items(ds, "OtherPatientIDsSequence"), *former):
        found.append((_value(item, "PatientID"), _value(item, "IssuerOfPatientID")))
    return [
        (number, issuer)
        for number, issuer in found
        if not _is_placeholder(number) and (number, issuer) not in (own, (own[0], ""))  # the latter are known already
    ]


def _is_placeholder(number: str) -> bool:
    """Whether the number is a word such as UNKNOWN, or zeros, which many patients may have instead of another ID."""
    return not any(map(str.isdigit, number)) or not number.strip("0 -./\\")


def _items(ds: Header, keyword: str) -> list[Header]:
    try:
        with refusing("damaged_header"):
            return list(ds.get(keyword) or [])
    except RefusedFile:
        return []


def _value(ds: Header, keyword: str) -> str:
    try:
        with refusing("damaged_header"):
            return text(ds, keyword)
    except RefusedFile:
        return ""
