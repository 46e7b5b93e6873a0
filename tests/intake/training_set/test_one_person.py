"""Whom headers link stands on one side of the split and in one fold, and counts as one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.archive import patients_of, pattern, put_batch, write_regions
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_json, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.patient_evidence import PATIENT_ID, SERIES, STUDY, Evidence
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.intake.training_set.summary import TrainingSetSummary

KINDS = [0, 1, 2] * 10


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return small_root(tmp_path / "root", write_regions(tmp_path / "regions.yaml"))


def build(paths: Paths) -> tuple[pd.DataFrame, TrainingSetSummary]:
    summary = build_training_set(Root(paths, settings_of(paths)))
    return load_training_set(paths), summary


def has(patient: str, kind: str, value: str, issuer: str = "", sex: str = "", born: str = "") -> Evidence:
    return Evidence(patient, kind, value, issuer, sex, born)


def in_pairs(patients: pd.Series, kind: str) -> list[Evidence]:
    """The first patient has the same thing as the second, the third as the fourth, and so on."""
    return [has(patient, kind, f"thing {number // 2}") for number, patient in enumerate(sorted(set(patients)))]


def side_of_pairs(table: pd.DataFrame) -> pd.DataFrame:
    """How many sides, folds and groups each pair has."""
    pair = table["patient"].str[-3:].astype(int) // 2
    return table.groupby(pair)[["split", "fold", "patient_group"]].nunique()


@pytest.mark.parametrize("kind", [STUDY, SERIES, PATIENT_ID])
def test_patients_who_share_something_stand_on_one_side_and_in_one_fold(kind: str, paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images, evidence=in_pairs(rows["patient"], kind))
    table, summary = build(paths)
    assert (side_of_pairs(table) == 1).all(axis=None)
    assert table["patient"].nunique() == 30, "pseudonyms stay apart"
    assert (summary.patients, len(summary.links.table)) == (15, 30)
    assert set(summary.links.table["linked_by"]) == {kind}
    assert summary.links.contradictions == {}
    metrics = read_json(paths.metrics("training_set"))
    assert (metrics["patients"], metrics["linked_patients"]) == (15, 30)


def test_evidence_comes_from_all_batches_and_from_a_patient_without_an_image(paths: Paths) -> None:
    """p1-000 and p1-001 are linked through one of whom there are refused files only, said in a batch left out."""
    put_batch(paths, "a", *patients_of(KINDS, 1), evidence=[has("p1-000", STUDY, "s"), has("bridge", STUDY, "s")])
    late = [has("bridge", PATIENT_ID, "n"), has("p1-001", PATIENT_ID, "n")]
    put_batch(paths, "b", *patients_of([0], 2), evidence=late, blocked_by=["sides"])
    table, summary = build(paths)
    assert table[table["patient"].isin(["p1-000", "p1-001"])]["patient_group"].nunique() == 1
    assert summary.links.table["patient"].tolist() == ["p1-000", "p1-001"]


def test_an_image_that_comes_again_under_another_patient_links_both(paths: Paths) -> None:
    """A's image comes again in a later batch under B, as after a merge; the second is not used, but says who B is."""
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    new, drawn = patients_of(KINDS, 2)
    again = rows.drop_duplicates("patient").assign(patient=sorted(set(new["patient"])))
    other = images[again.index]
    put_batch(paths, "b", pd.concat([new, again], ignore_index=True), np.concatenate([drawn, other]))
    table, summary = build(paths)
    assert len(table) == 120
    number = table["patient"].str[-3:]
    assert (table.groupby(number)[["split", "fold", "patient_group"]].nunique() == 1).all(axis=None)
    assert summary.patients == 30


def test_an_id_of_unknown_issuer_links_those_of_any_and_different_issuers_alone_do_not(paths: Paths) -> None:
    ids = [
        *(has("p1-000", PATIENT_ID, "7", "A"), has("p1-001", PATIENT_ID, "7")),
        *(has("p1-002", PATIENT_ID, "8", "A"), has("p1-003", PATIENT_ID, "8", "B")),
        *(has("p1-004", PATIENT_ID, "9", "A"), has("p1-005", PATIENT_ID, "9", "B"), has("p1-006", PATIENT_ID, "9")),
        *(has("p1-007", PATIENT_ID, "10", "A"), has("p1-008", PATIENT_ID, "10", "A")),
    ]
    put_batch(paths, "a", *patients_of(KINDS, 1), evidence=ids)
    table, summary = build(paths)
    groups = table.groupby("patient")["patient_group"].first()
    assert groups["p1-000"] == groups["p1-001"]
    assert groups["p1-002"] != groups["p1-003"]
    assert groups["p1-004"] == groups["p1-005"] == groups["p1-006"], "it cannot be told whose the ID without issuer is"
    assert groups["p1-007"] == groups["p1-008"]
    contradicted = summary.links.table.set_index("patient")["contradicted_by"]
    assert contradicted[contradicted != ""].to_dict() == {"p1-004": "issuer", "p1-005": "issuer"}


def test_links_that_contradict_each_other_are_reported_and_stay(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        *(has("p1-000", STUDY, "s", sex="F", born="x"), has("p1-001", STUDY, "s", sex="M", born="x")),
        *(has("p1-002", SERIES, "r", sex="F", born="x"), has("p1-003", SERIES, "r", born="y")),
        *(has("p1-004", STUDY, "t"), has("p1-005", STUDY, "t")),
        *(has("p1-004", PATIENT_ID, "7", "A"), has("p1-005", PATIENT_ID, "7", "B")),
        *(has("p1-006", STUDY, "u", sex="F"), has("p1-006", STUDY, "u", sex="M"), has("p1-007", STUDY, "u", sex="M")),
    ]
    put_batch(paths, "a", *patients_of(KINDS, 1), evidence=rows)
    with caplog.at_level(logging.INFO, "raytruth"):
        table, summary = build(paths)
    links = read_table(paths.patient_links).set_index("patient")
    assert links["contradicted_by"].tolist() == ["sex", "sex", "birth_date", "birth_date", "issuer", "issuer", "", ""]
    assert links.loc["p1-004", "linked_by"] == STUDY
    assert summary.links.contradictions == {"birth_date": 1, "issuer": 1, "sex": 1}
    assert read_json(paths.metrics("training_set"))["contradicted_links"] == summary.links.contradictions
    for word in (
        "8 patients are linked into 4 groups, at most 2 in one",
        "the sex contradicts",
        "the birth date contradicts",
    ):
        assert word in caplog.text
    assert table["patient"].nunique() - table["patient_group"].nunique() == 4


def one_a_side(table: pd.DataFrame) -> dict[str, str]:
    return {str(side): min(rows["patient"]) for side, rows in table.groupby("split")}


@pytest.mark.slow
def test_of_a_person_found_on_several_sides_only_the_most_protected_is_used(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    before, _ = build(paths)
    one = one_a_side(before)
    late = [has(patient, STUDY, "s") for patient in (*one.values(), "p2-000")]
    put_batch(paths, "b", *patients_of(KINDS, 2), evidence=late)
    table, summary = build(paths)
    moved = table.drop_duplicates("patient").set_index("patient")["split"]
    assert (moved[before["patient"]].to_numpy(object) == before["split"].to_numpy(object)).all(), "nobody moves"
    why = table.groupby("patient")["exclusion"].agg(set)
    assert why[one["train"]] == why[one["validation"]] == {"patient_split_leakage"}
    assert (moved["p2-000"], why[one["test"]], why["p2-000"]) == ("test", {""}, {""})
    assert summary.excluded == {"patient_split_leakage": 4}
    used = table[table["exclusion"] == ""]
    assert (used.groupby("patient_group")["split"].nunique() == 1).all()


@pytest.mark.slow
def test_equal_pixels_make_one_person_also_of_settled_patients(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    one = one_a_side(build(paths)[0])
    extra, drawn = patients_of([0, 0], 9, images=1)
    extra["patient"] = [one["train"], one["test"]]
    put_batch(paths, "b", extra, np.stack([drawn[0], drawn[0]]))
    table, summary = build(paths)
    mine = table[table["patient"] == one["train"]]
    assert sorted(mine["exclusion"]) == ["patient_split_leakage", "patient_split_leakage", "split_leakage"]
    assert set(table.loc[table["patient"] == one["test"], "exclusion"]) == {""}
    assert set(summary.links.table["linked_by"]) == {"near_duplicate;pixels"}


@pytest.mark.slow
def test_a_newcomer_joins_the_own_person_before_whom_a_near_duplicate_links(paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    one = one_a_side(build(paths)[0])
    copied = images[rows.index[rows["patient"] == one["test"]][0]]
    newcomer = patients_of([0], 9, images=1)[0]
    copy = (0.8 * copied.astype(float) + 30).astype(np.uint8)[None]
    put_batch(paths, "b", newcomer, copy, evidence=[has(p, STUDY, "s") for p in ("p9-000", one["train"])])
    table, summary = build(paths)
    assert set(table.loc[table["patient"] == "p9-000", "split"]) == {"train"}
    assert summary.excluded == {"split_leakage": 1}, "of the train patient's images none is lost"


def test_a_class_of_one_person_is_left_out_by_name(paths: Paths) -> None:
    """Five patient IDs with one identical image."""
    rows, images = patients_of([*KINDS, *[3] * 5], 1, images=1)
    images[rows["truth"] == "knee"] = pattern(3, np.random.default_rng(5))
    put_batch(paths, "a", rows, images)
    table, summary = build(paths)
    assert summary.small_classes == {"knee": 1}
    assert set(table["region"].dropna()) == {"shoulder", "elbow", "hand"}


def test_a_class_of_five_patients_of_one_study_is_left_out_by_name(paths: Paths) -> None:
    rows, images = patients_of([*KINDS, *[3] * 5], 1)
    knees = sorted(set(rows.loc[rows["truth"] == "knee", "patient"]))
    put_batch(paths, "a", rows, images, evidence=[has(patient, STUDY, "s") for patient in knees])
    assert build(paths)[1].small_classes == {"knee": 1}


def test_a_batch_of_an_older_version_is_refused_with_what_to_do(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    paths.patient_evidence("a").unlink()
    with pytest.raises(RayTruthError, match="one person") as error:
        build(paths)
    assert "raytruth ingest" in error.value.do
    assert not paths.splits.exists()
