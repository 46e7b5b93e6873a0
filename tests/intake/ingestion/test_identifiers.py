"""Whom a file names is known to the search, whatever became of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from support.dicoms import radiograph, save
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.privacy.identities import NAME, NUMBER, STAFF, UID, identities_of
from dagster_project.intake.privacy.scan import scan
from dagster_project.intake.root import Root

pytestmark = pytest.mark.slow

STUDY = "1.2.276.0.7230010.3.1.2.{}"


def person(seed: int, **elements: object) -> FileDataset:
    """A radiograph that names patient and staff in every way, all with its number."""
    other = Dataset()
    other.PatientID = f"OTHERID{seed}"
    return radiograph(
        seed,
        PatientID=f"PATIENTID{seed}",
        PatientName=f"Qwertzmann{seed}^Jane",
        PatientMotherBirthName=f"Mutter{seed}^Erna",
        OtherPatientIDsSequence=Sequence([other]),
        AccessionNumber=f"ACCESSION{seed}",
        StudyInstanceUID=STUDY.format(seed),
        ReferringPhysicianName=f"Zuweiser{seed}^Otto",
        OperatorsName=f"Bediener{seed}^Ida\\CONSOLE",
        **elements,
    )


def expected(seed: int) -> set[tuple[str, str]]:
    """What the search must know of it."""
    names = {(NAME, f"Qwertzmann{seed}^Jane"), (NAME, f"Mutter{seed}^Erna")}
    staff = {(STAFF, f"Zuweiser{seed}^Otto"), (STAFF, f"Bediener{seed}^Ida"), (STAFF, "CONSOLE")}
    numbers = {(NUMBER, f"{what}{seed}") for what in ("PATIENTID", "OTHERID", "ACCESSION")}
    return names | staff | numbers | {(UID, STUDY.format(seed))}


REFUSED = {  # reason -> what makes it so
    "other_modality": {"Modality": "CT"},
    "no_size": {"Rows": 0},
    "inconsistent_bits": {"BitsStored": 17},
    "missing_identifier": {"SOPInstanceUID": None},
    "constant": {"pixels": np.zeros((80, 60), np.uint16)},  # refused by the second pass
    "no_pixels": {"PixelData": b""},
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A root with one batch: a used image and one for each reason to refuse."""
    source = tmp_path_factory.mktemp("export")
    save(person(0), source / "0.dcm")
    for number, elements in enumerate(REFUSED.values(), 1):
        save(person(number, **elements), source / f"{number}.dcm")
    paths = small_root(tmp_path_factory.mktemp("root"))
    ingest(Root(paths, settings_of(paths)), source, "march")
    return paths


@pytest.mark.parametrize("number", range(len(REFUSED) + 1), ids=["used", *REFUSED])
def test_names_numbers_and_uids_are_known_of_used_and_refused_files(paths: Paths, number: int) -> None:
    known = {(identity.kind, identity.value) for identity in identities_of(paths, ["march"])}
    assert expected(number) <= known
    reasons = ";".join(read_table(paths.files)["reason"])
    assert all(reason in reasons for reason in REFUSED), "each was refused for its own reason"


@pytest.mark.parametrize("leak", ["zuweiser1, otto", "BEDIENER2 IDA", "Qwertzmann3", "OTHERID4", STUDY.format(5)])
def test_what_a_refused_file_or_its_staff_is_called_is_found_where_it_leaked(paths: Paths, leak: str) -> None:
    assert scan(paths, ["march"]).clean
    planted = paths.reports / "leak.txt"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"an odd file of {leak}.")
    assert [find.place for find in scan(paths, ["march"]).finds] == ["data/reports/leak.txt"]
    planted.unlink()


def test_a_device_text_that_names_staff_is_withheld_but_a_lone_word_of_the_console_is_not(tmp_path: Path) -> None:
    paths = small_root(tmp_path / "root")
    save(person(1, StationName="DR ZUWEISER1", Manufacturer="Console Inc"), tmp_path / "export" / "a.dcm")
    ingest(Root(paths, settings_of(paths)), tmp_path / "export", "march")
    (row,) = read_table(paths.headers("march"))[["station", "manufacturer"]].to_dict("records")
    assert row == {"station": "(withheld)", "manufacturer": "Console Inc"}


def test_of_a_batch_of_which_nothing_can_be_used_all_is_known_too(tmp_path: Path) -> None:
    paths = small_root(tmp_path / "root")
    save(person(1, Modality="CT"), tmp_path / "export" / "a.dcm")
    with pytest.raises(RayTruthError, match="no usable radiograph"):
        ingest(Root(paths, settings_of(paths)), tmp_path / "export", "march")
    assert expected(1) <= {(identity.kind, identity.value) for identity in identities_of(paths, ["march"])}
