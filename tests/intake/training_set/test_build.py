"""The training set of a root: who may be in it, on which side, with which label, for ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.archive import patients_of, put_batch, put_validation, write_regions
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_json, read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts, update_corrected_labels
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import (
    TrainingSetSummary,
    build_training_set,
    class_numbers,
    gather_images,
    load_training_set,
)
from dagster_project.intake.training_set.tables import TRAINING_SET

KINDS = [0, 1, 2] * 10
Batch = tuple[pd.DataFrame, np.ndarray]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return small_root(tmp_path / "root", write_regions(tmp_path / "regions.yaml"))


def build(paths: Paths) -> tuple[pd.DataFrame, TrainingSetSummary]:
    summary = build_training_set(Root(paths, settings_of(paths)))
    return load_training_set(paths), summary


def sides(table: pd.DataFrame) -> dict[str, str]:
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    return dict(zip(table["patient"], table["split"], strict=True))


def brighter(image: np.ndarray) -> np.ndarray:
    return (0.8 * image.astype(float) + 30).astype(np.uint8)


def with_copies(first: Batch, second: Batch) -> Batch:
    """The second batch with reprocessed copies of the first one's images in the place of its own."""
    rows, images = second
    return rows, np.stack([brighter(first[1][i]) for i in range(len(images))])


def test_no_patient_stands_on_two_sides_or_in_two_folds_and_every_class_is_on_each(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1, images=3))
    table, summary = build(paths)
    assert list(table) == list(TRAINING_SET.types)
    for column in ("split", "fold", "patient_group"):
        assert (table.groupby("patient")[column].nunique() == 1).all()
    assert (table.groupby("patient_group")[["split", "fold"]].nunique() == 1).all(axis=None)
    by_region = pd.crosstab(table["region"], table["split"], normalize="index")
    assert by_region["test"].tolist() == pytest.approx([0.2] * 3)
    assert by_region["validation"].tolist() == pytest.approx([0.2] * 3)  # 1.5 of 10 patients, rounded to even
    assert (summary.images, summary.patients, summary.near_duplicates) == (90, 30, 0)
    assert read_json(paths.metrics("training_set"))["images_by_split"] == table["split"].value_counts().to_dict()


@pytest.mark.slow
def test_new_batches_leave_everybody_where_they_are(paths: Paths) -> None:
    put_batch(paths, "b", *patients_of(KINDS, 1))
    before = sides(build(paths)[0])
    put_batch(paths, "a", *patients_of([0, 1, 2, 3, 4] * 8, 2))
    after = sides(build(paths)[0])
    assert {patient: after[patient] for patient in before} == before
    assert len(after) == 70
    new = pd.Series({patient: side for patient, side in after.items() if patient not in before})
    assert set(new) == {"train", "validation", "test"}


@pytest.mark.slow
def test_a_batch_taken_away_and_brought_back_changes_nobody_s_side(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    put_batch(paths, "b", *patients_of(KINDS, 2))
    before = sides(build(paths)[0])
    kept = [path.read_bytes() for path in (paths.headers("b"), paths.pixels("b"))]
    paths.headers("b").unlink()
    paths.pixels("b").unlink()
    assert len(sides(build(paths)[0])) == 30
    for path, content in zip((paths.headers("b"), paths.pixels("b")), kept, strict=True):
        path.write_bytes(content)
    assert sides(build(paths)[0]) == before


@pytest.mark.slow
def test_the_same_images_give_the_same_bytes(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    build(paths)
    before = [path.read_bytes() for path in (paths.training_set, paths.splits)]
    build(paths)
    assert [path.read_bytes() for path in (paths.training_set, paths.splits)] == before


@pytest.mark.slow
def test_other_pseudonyms_which_is_another_key_give_another_split(paths: Paths, tmp_path: Path) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    other = small_root(tmp_path / "other", paths.root / "regions.yaml")
    put_batch(other, "a", rows.assign(patient="x" + rows["patient"]), images)
    one, two = sides(build(paths)[0]), sides(build(other)[0])
    assert [one[p] for p in sorted(one)] != [two["x" + p] for p in sorted(one)]


@pytest.mark.slow
def test_copies_under_other_patients_never_straddle(paths: Paths) -> None:
    first = patients_of(KINDS, 1)
    second = with_copies(first, patients_of(KINDS, 2))
    put_batch(paths, "a", *first)
    put_batch(paths, "b", *second)
    table, summary = build(paths)
    assert summary.near_duplicates == 60
    for column in ("patient_group", "split", "fold"):
        assert (table.groupby("near_duplicate_group")[column].nunique() == 1).all()
    assert (table["near_duplicate_group"].value_counts() == 2).all()
    assert (table["exclusion"] == "").all()


@pytest.mark.slow
def test_copies_of_settled_patients_come_to_their_side(paths: Paths) -> None:
    first = patients_of(KINDS, 1)
    put_batch(paths, "a", *first)
    before = sides(build(paths)[0])
    put_batch(paths, "b", *with_copies(first, patients_of(KINDS, 2)))
    after = sides(build(paths)[0])
    assert {p: after[p] for p in before} == before
    assert {p.replace("p2-", "p1-"): side for p, side in after.items() if p.startswith("p2-")} == before


@pytest.mark.slow
def test_a_copy_that_links_patients_of_two_sides_leaves_the_less_protected_one(paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    before = sides(build(paths)[0])
    one = {side: next(p for p in sorted(before) if before[p] == side) for side in ("train", "validation", "test")}
    extra, drawn = patients_of([0, 0, 0], 9, images=1)
    extra["patient"] = list(one.values())
    put_batch(paths, "b", extra, np.stack([brighter(drawn[0]), drawn[0], brighter(brighter(drawn[0]))]))
    table, _ = build(paths)
    assert sides(table) == before
    copies = table[table["batch"] == "b"].set_index("patient")["exclusion"]
    assert {side: copies[patient] for side, patient in one.items()} == {
        "train": "split_leakage",
        "validation": "split_leakage",
        "test": "",
    }
    assert (table.loc[table["batch"] == "a", "exclusion"] == "").all()


@pytest.mark.slow
def test_a_newcomer_with_copies_of_two_sides_joins_the_more_protected_one(paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    before = sides(build(paths)[0])
    number = {side: next(i for i, p in enumerate(rows["patient"]) if before[p] == side) for side in ("train", "test")}
    newcomer, _ = patients_of([0], 9)
    put_batch(paths, "b", newcomer, np.stack([brighter(images[i]) for i in number.values()]))
    table, _ = build(paths)
    assert sides(table) == before | {newcomer["patient"][0]: "test"}
    excluded = table[table["exclusion"] != ""]
    assert excluded["image_id"].tolist() == [rows["image_id"][number["train"]]]


def test_equal_pixels_link_patients_even_where_the_image_is_flat(paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    images[[0, 5]] = 7
    put_batch(paths, "a", rows, images)
    table = build(paths)[0].set_index("image_id")
    one, two = (table.loc[rows["image_id"][i]] for i in (0, 5))
    assert one["near_duplicate_group"] == two["near_duplicate_group"]
    assert (one["split"], one["fold"]) == (two["split"], two["fold"])


def test_a_image_that_comes_again_in_a_later_batch_counts_once(paths: Paths) -> None:
    rows, images = patients_of(KINDS, 1)
    put_batch(paths, "a", rows, images)
    put_batch(paths, "b", rows.iloc[:6], images[:6])
    table, _ = build(paths)
    assert len(table) == len(rows)
    assert set(table["batch"]) == {"a"}


@pytest.mark.slow
def test_a_batch_blocked_by_its_latest_check_is_refused_by_name(paths: Paths) -> None:
    put_batch(paths, "good", *patients_of(KINDS, 1))
    put_batch(paths, "bad", *patients_of(KINDS, 2), blocked_by=["image_id_unique"])
    table, summary = build(paths)
    assert set(table["batch"]) == {"good"}
    assert summary.refused == {"bad": "blocking checks failed: image_id_unique"}
    put_validation(paths, "bad")
    assert build(paths)[1].refused == {}


def test_a_batch_that_changed_since_it_was_validated_is_refused(paths: Paths) -> None:
    put_batch(paths, "good", *patients_of(KINDS, 1))
    put_batch(paths, "stale", *patients_of(KINDS, 2))
    write_table(paths.headers("stale"), read_table(paths.headers("stale")).assign(station="other"))
    table, summary = build(paths)
    assert set(table["batch"]) == {"good"}
    assert "raytruth validate stale" in summary.refused["stale"]


def test_if_every_batch_is_refused_the_error_says_why_and_the_old_set_stays(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    build(paths)
    before = paths.training_set.read_bytes()
    put_validation(paths, "a", blocked_by=["sides"])
    with pytest.raises(RayTruthError, match="a: blocking checks failed: sides"):
        build(paths)
    assert paths.training_set.read_bytes() == before


def test_without_any_batch_or_training_set_the_error_says_what_to_do(paths: Paths) -> None:
    with pytest.raises(RayTruthError, match="No batch") as error:
        build(paths)
    assert "raytruth ingest" in error.value.do
    with pytest.raises(RayTruthError, match="no training set") as error:
        load_training_set(paths)
    assert "raytruth build-training-set" in error.value.do


@pytest.mark.parametrize(("kinds", "named"), [([0] * 9, "shoulder"), ([0], "shoulder (1)"), ([5] * 4, "Only 0")])
def test_one_class_or_one_patient_is_a_clear_error(paths: Paths, kinds: list[int], named: str) -> None:
    put_batch(paths, "a", *patients_of(kinds, 1))
    with pytest.raises(RayTruthError) as error:
        build(paths)
    assert named in str(error.value)
    assert not paths.splits.exists()


def test_a_small_class_keeps_its_images_without_a_label(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of([*KINDS, 4, 4], 1))
    table, summary = build(paths)
    assert summary.small_classes == {"foot": 2}
    small = table[table["label_status"] == "small_class"]
    assert len(small) == 4
    assert small["region"].isna().all()
    assert small["header_region"].tolist() == ["foot"] * 4


@pytest.mark.slow
def test_what_reviewers_said_overrides_the_header_and_moves_nobody(paths: Paths) -> None:
    put_batch(paths, "a", *patients_of(KINDS, 1))
    table, _ = build(paths)
    before, image = sides(table), table["image_id"][3]
    given = table["region"][3]
    right = next(region for region in ("shoulder", "elbow", "hand") if region != given)
    append_verdicts(paths, [Verdict(image, "wrong_label", right, given, right, "Dr A")], ("shoulder", "elbow", "hand"))
    update_corrected_labels(paths)
    after, _ = build(paths)
    row = after.set_index("image_id").loc[image]
    assert row[["region", "header_region", "reviewed", "label_attribute"]].tolist() == [right, given, True, "review"]
    assert sides(after) == before


def test_gathered_images_are_the_shards_rows_area_averaged(paths: Paths) -> None:
    put_batch(paths, "b", *patients_of(KINDS, 1))
    put_batch(paths, "a", *patients_of(KINDS, 2))
    table, _ = build(paths)
    rows = table.sample(frac=0.3, random_state=0)
    shards = {batch: np.load(paths.pixels(batch)) for batch in ("a", "b")}
    whole = np.stack([shards[row.batch][row.row] for row in rows.itertuples()])
    np.testing.assert_array_equal(gather_images(paths, rows, 64), whole)
    np.testing.assert_array_equal(gather_images(paths, rows, 999), whole)
    halved = whole.reshape(len(rows), 32, 2, 32, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(gather_images(paths, rows, 32), halved, atol=0.5)
    with pytest.raises(RayTruthError, match="No image"):
        gather_images(paths, rows.iloc[:0], 32)


def test_class_numbers_follow_the_regions_file(paths: Paths) -> None:
    rows = pd.DataFrame({"region": ["hand", None, "shoulder"]})
    assert class_numbers(Root(paths, settings_of(paths)), rows).tolist() == [2, -1, 0]
