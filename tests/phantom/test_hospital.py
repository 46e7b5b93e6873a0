"""The export: reproducible to the byte, agreeing with truth.csv, leaking nothing but CANARY where it belongs."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.errors import InvalidDicomError
from support.displayed import displayed
from support.hospital import PATIENTS

from raytruth_phantom import hospital
from raytruth_phantom.hospital import COLUMNS, HospitalSummary, write_hospital, write_patient
from raytruth_phantom.labels import TERMS
from raytruth_phantom.plan import BROKEN_KINDS, DUPLICATE_KINDS, plan_hospital
from raytruth_phantom.sites import SITES
from raytruth_phantom.views import REGIONS

pytestmark = pytest.mark.slow

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientAddress",
    "PatientComments",
    "OtherPatientIDs",
    "ImageComments",
    "AccessionNumber",
    "InstitutionName",
    "InstitutionAddress",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "RequestingPhysician",
    "OperatorsName",
    "DeviceSerialNumber",
)
Row = dict[str, str]


def truth(hospital: Path) -> list[Row]:
    with (hospital / "truth.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def usable(hospital: Path) -> list[tuple[Row, pydicom.Dataset]]:
    return [(row, pydicom.dcmread(hospital / row["file"])) for row in truth(hospital) if row["role"] != "broken"]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_number_of_workers_changes_no_byte(tmp_path: Path) -> None:
    for workers in (1, 2):
        write_hospital(tmp_path / str(workers), patients=3, seed=8, workers=workers)
    one, two = (digests(tmp_path / str(workers)) for workers in (1, 2))
    assert one == two
    assert "truth.csv" in one


def test_another_seed_gives_another_hospital(hospital: Path) -> None:
    plans = [
        plan_hospital(SITES["north"], patients=PATIENTS, seed=seed, label_noise=0.05, missing=0.02, out_of_domain=0.03)
        for seed in (7, 8)
    ]
    assert len(truth(hospital)) == len(plans[0])
    assert {shot.key for shot in plans[0]}.isdisjoint(shot.key for shot in plans[1])


def test_truth_has_the_columns_and_a_row_for_every_file(hospital: Path) -> None:
    summary = HospitalSummary(**json.loads((hospital.parent / "summary.json").read_text()))
    rows = truth(hospital)
    assert tuple(rows[0]) == COLUMNS
    assert sorted(row["file"] for row in rows) == sorted(set(digests(hospital)) - {"truth.csv"})
    assert summary.files == len(rows)
    assert summary.roles == dict(sorted(Counter(row["role"] for row in rows).items()))
    assert summary.error_kinds == dict(sorted(Counter(row["error_kind"] for row in rows).items()))
    assert {row["role"] for row in rows} == {"in_domain", "out_of_domain", "duplicate", "broken"}
    assert len({row["group"] for row in rows}) == summary.patients == PATIENTS


def test_truth_agrees_with_the_headers(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    regions = {term.value: region for region in TERMS for term in TERMS[region]} | {"EXTREMITY": "", "": ""}
    for row, ds in usable:
        assert row["sop_instance_uid"] == ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
        body_part = ds.get("BodyPartExamined", "")
        if body_part in regions:
            assert regions[body_part] == row["given_region"]
        else:
            assert row["given_region"]  # local words, always for a region
        coded = ds.get("AnatomicRegionSequence")
        if coded:
            assert ds.Modality == "DX"
            code = {term.code: region for region in TERMS for term in TERMS[region]} | {"66019005": ""}
            assert code[coded[0].CodeValue] == row["given_region"]


def test_one_patient_is_one_group(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    pairs = {(row["group"], ds.PatientID) for row, ds in usable}
    assert len(pairs) == len({group for group, _ in pairs}) == len({patient for _, patient in pairs})


def test_headers_are_valid_and_pixels_lie_in_range(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    for _, ds in usable:
        pixels = ds.pixel_array
        assert pixels.shape == (ds.Rows, ds.Columns)
        assert pixels.max() <= 4095
        assert pixels.std() > 50
        assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation) == (16, 12, 11, 0)
        assert ds.Modality in ("DX", "CR")
        assert ds.is_implicit_VR is False
        assert all(ds.get(keyword) for keyword in ("KVP", "StationName", "Manufacturer", "PatientAge", "PatientSex"))


def test_the_mix_of_formats_is_that_of_a_real_export(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    headers = [ds for _, ds in usable]
    assert np.mean([ds.Modality == "DX" for ds in headers]) == pytest.approx(0.6, abs=0.12)
    assert np.mean([ds.PhotometricInterpretation == "MONOCHROME1" for ds in headers]) == pytest.approx(0.33, abs=0.1)
    assert any(ds.RescaleSlope != 1 or ds.RescaleIntercept != 0 for ds in headers)
    assert any("VOILUTSequence" in ds for ds in headers)
    assert any("WindowCenter" not in ds and "VOILUTSequence" not in ds for ds in headers)


def test_monochrome1_is_stored_inverted(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    """The corners of an image are mostly unattenuated beam: dark in MONOCHROME2, so bright in MONOCHROME1."""
    corners: dict[str, list[float]] = {"MONOCHROME1": [], "MONOCHROME2": []}
    for row, ds in usable:
        if row["region"] in ("hand", "wrist", "foot", "ankle"):
            corners[ds.PhotometricInterpretation].append(float(np.median(ds.pixel_array[:20, -20:])))
    assert np.median(corners["MONOCHROME1"]) > 3000
    assert np.median(corners["MONOCHROME2"]) < 1100


def test_canary_stands_in_every_identifying_element_and_folder(usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    for row, ds in usable:
        assert all("CANARY" in str(ds.get(keyword)) for keyword in IDENTIFYING)
        assert row["file"].split("/")[1].startswith("CANARY")
        private = [element for element in ds if element.tag.is_private]
        assert any("CANARY" in str(element.value) for element in private)
    assert any("CANARY" in ds.get("StudyDescription", "") for _, ds in usable)


def test_canary_stands_in_no_label_pixel_or_truth(hospital: Path, usable: list[tuple[Row, pydicom.Dataset]]) -> None:
    for row, ds in usable:
        assert b"CANARY" not in ds.PixelData
        assert "CANARY" not in ds.get("BodyPartExamined", "") + ds.ProtocolName + ds.SeriesDescription
        assert "CANARY" not in "".join(row[column] for column in COLUMNS if column != "file")


def test_every_kind_of_broken_file_is_there_and_is_broken(hospital: Path) -> None:
    found: dict[str, Path] = {}
    for row in truth(hospital):
        if row["role"] == "broken":
            found[row["image"].split("~")[1]] = hospital / row["file"]
    assert set(found) == set(BROKEN_KINDS)
    assert found["empty"].stat().st_size == 0
    assert found["readme"].name == "README.txt"
    with pytest.raises(InvalidDicomError):
        pydicom.dcmread(found["text"])
    for kind in ("truncated", "wrong_length"):
        with pytest.raises(ValueError, match="pixel data"):
            _ = pydicom.dcmread(found[kind]).pixel_array
    assert "SOPInstanceUID" not in pydicom.dcmread(found["no_instance_uid"])
    assert pydicom.dcmread(found["ct"]).Modality == "CT"
    assert pydicom.dcmread(found["report"]).Modality == "SR"
    assert pydicom.dcmread(found["rgb"]).pixel_array.shape == (96, 128, 3)
    assert pydicom.dcmread(found["for_processing"]).PresentationIntentType == "FOR PROCESSING"
    assert np.ptp(pydicom.dcmread(found["constant"]).pixel_array) == 0
    assert "DirectoryRecordSequence" in pydicom.dcmread(found["dicomdir"])


def test_every_kind_of_duplicate_repeats_its_original(tmp_path: Path) -> None:
    plan = plan_hospital(SITES["north"], patients=2, seed=4, label_noise=0.0, missing=0.0, out_of_domain=0.0)
    original = next(shot for shot in plan if shot.variant == "image" and shot.region in REGIONS)
    variants = [replace(original, variant=kind) for kind in ("image", *DUPLICATE_KINDS)]
    rows = write_patient(tmp_path, SITES["north"], 4, list(enumerate(variants)))
    paths = {shot.variant: tmp_path / rows[i]["file"] for i, shot in enumerate(variants)}
    assert len(set(paths.values())) == len(paths)
    assert [rows[i]["role"] for i in range(5)] == ["in_domain", *["duplicate"] * 4]
    assert paths["same_file"].read_bytes() == paths["image"].read_bytes()
    first, copy = (pydicom.dcmread(paths[kind]) for kind in ("image", "same_pixels"))
    assert first.SOPInstanceUID != copy.SOPInstanceUID
    assert np.array_equal(displayed(paths["image"]), displayed(paths["same_pixels"]))
    for kind in ("reprocessed", "repeated"):
        assert not np.array_equal(displayed(paths["image"]), displayed(paths[kind]))
        assert pydicom.dcmread(paths[kind]).PatientID == first.PatientID


def test_the_south_site_writes_more_cr_from_other_makers(tmp_path: Path) -> None:
    write_hospital(tmp_path / "south", patients=6, seed=2, site="south", workers=1)
    headers = [
        pydicom.dcmread(tmp_path / "south" / row["file"])
        for row in truth(tmp_path / "south")
        if row["role"] != "broken"
    ]
    assert np.mean([ds.Modality == "CR" for ds in headers]) > 0.5
    assert {ds.Manufacturer for ds in headers} == {"LUMEN"}
    assert {ds.SpecificCharacterSet for ds in headers} == {"ISO_IR 100"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patients": 0}, "patients is 0.*at least 1"),
        ({"site": "east"}, "unknown site 'east'.*north, south"),
        ({"label_noise": 1.5}, "label_noise is 1.5.*between 0 and 1"),
        ({"missing": -0.1}, "missing is -0.1.*between 0 and 1"),
        ({"out_of_domain": 2}, "out_of_domain is 2.*between 0 and 1"),
        ({"workers": 0}, "workers is 0.*at least 1"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    out = tmp_path / "new"
    arguments: dict[str, object] = {"patients": 2, "seed": 1} | change
    with pytest.raises(ValueError, match=message):
        write_hospital(out, **arguments)  # type: ignore[arg-type]
    assert not out.exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        write_hospital(tmp_path, patients=2, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_futures: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hospital, "as_completed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_hospital(tmp_path / "out", patients=3, seed=1, workers=2)
    assert multiprocessing.active_children() == []
