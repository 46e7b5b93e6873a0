"""What headers say about who is one person, of used and refused files, without a word of it being readable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from support.dicoms import image, radiograph, save
from support.readers import PSEUDONYMS, read_header
from support.roots import settings_of, small_root, where_found

from dagster_project.core.atomic_io import content_hash, read_table
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.headers.fast_header import fast_header
from dagster_project.intake.ingestion.headers.patient_evidence import Evidence
from dagster_project.intake.privacy.identities import NUMBER, identities_of
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.patient_links import person_of


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return small_root(tmp_path / "root")


def item(**elements: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def corrected(**elements: Any) -> Sequence:
    """What a PACS notes when it corrects or merges: the attributes as they were (PS3.3 C.12.1.1.9)."""
    return Sequence([item(ModifiedAttributesSequence=Sequence([item(**elements)]))])


def evidence(tmp_path: Path, number: int, **elements: Any) -> list[Evidence]:
    return read_header(save(radiograph(number, **elements), tmp_path / f"{number}.dcm")).evidence


def are_one(*rows: list[Evidence]) -> bool:
    """Whether all these headers' patients, each of whom must be named, are one person."""
    assert all(rows)
    return person_of(pd.DataFrame([row for one in rows for row in one], columns=Evidence._fields)).nunique() == 1


A, B = {"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}
STUDY, SERIES, SOP = (f"1.2.276.0.7230010.3.1.{n}" for n in (2, 3, 4))
ONE_PERSON: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "study": ({"StudyInstanceUID": STUDY}, {"StudyInstanceUID": STUDY}),
    "series": ({"SeriesInstanceUID": SERIES}, {"SeriesInstanceUID": SERIES}),
    "image": ({"SOPInstanceUID": SOP}, {"SOPInstanceUID": SOP}),
    "issuer unknown": ({"PatientID": "X1"}, {"PatientID": "X1", **A}),
    "issuer empty": ({"PatientID": "X1", "IssuerOfPatientID": ""}, {"PatientID": "X1", **A}),
    "padded": ({"PatientID": "X1 "}, {"PatientID": " X1", **A}),
    "other IDs": ({"PatientID": "X1"}, {"OtherPatientIDs": ["Y9", "X1"]}),
    "another ID with its issuer": (
        {"PatientID": "X1", **A},
        {"OtherPatientIDsSequence": Sequence([item(PatientID="X1", IssuerOfPatientID="A")])},
    ),
    "a third number": ({"OtherPatientIDs": "Z5"}, {"OtherPatientIDsSequence": Sequence([item(PatientID="Z5")])}),
    "ID before a merge": ({"PatientID": "X1"}, {"OriginalAttributesSequence": corrected(PatientID="X1")}),
    "study before a merge": (
        {"StudyInstanceUID": STUDY},
        {"OriginalAttributesSequence": corrected(StudyInstanceUID=STUDY)},
    ),
}
SEVERAL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing shared": ({}, {}),
    "issuers differ": ({"PatientID": "X1", **A}, {"PatientID": "X1", **B}),
    "the own ID repeated without issuer": ({"PatientID": "X1", **A, "OtherPatientIDs": "X1"}, {"PatientID": "X1", **B}),
    "another ID of another issuer": (
        {"PatientID": "X1", **B},
        {"OtherPatientIDsSequence": Sequence([item(PatientID="X1", IssuerOfPatientID="A")])},
    ),
    "placeholders": ({"OtherPatientIDs": ["UNKNOWN", "0", "000-00"]}, {"OtherPatientIDs": ["UNKNOWN", "0", "000-00"]}),
    "no series": ({"SeriesInstanceUID": ""}, {"SeriesInstanceUID": ""}),
    "a UID that is none": ({"StudyInstanceUID": "none"}, {"StudyInstanceUID": "none"}),
    "case and zeros": ({"PatientID": "x1"}, {"PatientID": "X01"}),
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize("name", [*ONE_PERSON, *SEVERAL])
def test_who_is_one_person(name: str, tmp_path: Path) -> None:
    first, second = (ONE_PERSON | SEVERAL)[name]
    assert are_one(evidence(tmp_path, 1, **first), evidence(tmp_path, 2, **second)) is (name in ONE_PERSON)


def test_a_plain_header_tells_the_same_as_pydicom(tmp_path: Path) -> None:
    elements: dict[str, Any] = {
        "OtherPatientIDs": ["Y9", "Y8"],
        "OtherPatientIDsSequence": Sequence([item(PatientID="Y7", IssuerOfPatientID="A")]),
        "OriginalAttributesSequence": corrected(PatientID="Y6", StudyInstanceUID=STUDY),
    }
    path = save(radiograph(1, **elements), tmp_path / "a.dcm")
    odd = save(radiograph(1, **elements, PatientName="A^B=C"), tmp_path / "b.dcm")
    assert fast_header(path, ("PatientName",)) is not None
    assert fast_header(odd, ("PatientName",)) is None
    plain, by_pydicom = read_header(path).evidence, read_header(odd).evidence
    assert len(plain) == 3 + 1 + 1 + 4
    assert plain == by_pydicom


@pytest.mark.parametrize("refused", [{"Modality": "CT"}, {"Rows": 0}, {"BitsStored": 17}, {"SOPInstanceUID": None}])
def test_refused_files_tell_too(refused: dict[str, Any], tmp_path: Path) -> None:
    told = evidence(tmp_path, 1, StudyInstanceUID=STUDY, **refused)
    assert are_one(told, evidence(tmp_path, 2, StudyInstanceUID=STUDY))


def test_without_a_patient_id_nothing_is_told(tmp_path: Path) -> None:
    assert evidence(tmp_path, 1, PatientID=None) == evidence(tmp_path, 2, PatientID="") == []


def test_birth_dates_can_be_compared_only_by_those_who_share_something(tmp_path: Path) -> None:
    first, second = (evidence(tmp_path, n, StudyInstanceUID=STUDY, PatientBirthDate="19600101") for n in (1, 2))
    other = evidence(tmp_path, 3, StudyInstanceUID=STUDY, PatientBirthDate="19600102")
    born = [{row.value: row.birth_date for row in rows} for rows in (first, second, other)]
    study = PSEUDONYMS.of("study", STUDY)
    assert born[0][study] == born[1][study] != born[2][study]
    assert len({value for rows in born[:2] for value in rows.values()}) == len(born[0].keys() | born[1].keys())


@pytest.mark.slow
def test_two_patients_of_one_instance_in_one_batch_are_one_whichever_file_counts(paths: Paths, tmp_path: Path) -> None:
    """Under one SOP Instance UID: other pixels under another patient ID; one of the two is a conflict."""
    save(radiograph(1), tmp_path / "in" / "a.dcm")
    save(radiograph(1, PatientID="MERGED77", pixels=image(9)), tmp_path / "in" / "b.dcm")
    summary = ingest(Root(paths, settings_of(paths)), tmp_path / "in", "march")
    assert summary.reasons == {"uid_conflict": 1}
    table = read_table(paths.patient_evidence("march"))
    assert table["patient"].nunique() == 2
    assert person_of(table).nunique() == 1


@pytest.mark.slow
def test_a_batch_without_a_usable_image_leaves_the_evidence_of_what_stands(paths: Paths, tmp_path: Path) -> None:
    path = save(radiograph(1), tmp_path / "in" / "a.dcm")
    ingest(Root(paths, settings_of(paths)), tmp_path / "in", "march")
    assert paths.patient_evidence("march").exists()
    before = content_hash(paths.patient_evidence("march"))
    save(radiograph(2, pixels=np.zeros((80, 60), np.uint16)), path)
    with pytest.raises(Exception, match="no usable radiograph"):
        ingest(Root(paths, settings_of(paths)), tmp_path / "in", "march")
    assert content_hash(paths.patient_evidence("march")) == before


@pytest.mark.slow
def test_no_number_is_readable_outside_the_private_folder_and_the_search_knows_them_all(
    paths: Paths, tmp_path: Path
) -> None:
    elements = {
        "OtherPatientIDs": "ZZOTHER1",
        "IssuerOfPatientID": "ZZISSUER",
        "OtherPatientIDsSequence": Sequence([item(PatientID="ZZOTHER2", IssuerOfPatientID="ZZISSUER")]),
        "OriginalAttributesSequence": corrected(PatientID="ZZFORMER", PatientName="Zzname^Former"),
    }
    save(radiograph(1, **elements), tmp_path / "in" / "a.dcm")
    ingest(Root(paths, settings_of(paths)), tmp_path / "in", "march")
    known = {(i.kind, i.value) for i in identities_of(paths, ["march"])}
    assert {(NUMBER, value) for value in ("ZZOTHER1", "ZZOTHER2", "ZZFORMER")} <= known
    for word in ("ZZOTHER", "ZZISSUER", "ZZFORMER", "Zzname", "19600101", "1960-01-01"):
        assert where_found(word, paths.root / "data", leave_out=("private",)) == []
