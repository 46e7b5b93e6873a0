"""Reviewers' labels override given ones and say so; classes too small to learn are named."""

from __future__ import annotations

import logging

import pandas as pd
import pytest

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.training_set.labels import apply_corrections, drop_small_classes


def table(**regions: str | None) -> pd.DataFrame:
    """One image a patient: image id -> given region."""
    return pd.DataFrame(
        {
            "image_id": list(regions),
            "patient_group": [f"patient of {name}" for name in regions],
            "header_region": pd.array(list(regions.values()), "string"),
            "label_status": ["missing" if region is None else "region" for region in regions.values()],
            "label_attribute": "BodyPartExamined",
            "label_rule": "term",
        }
    )


def said(**verdicts: tuple[str, str]) -> pd.DataFrame:
    rows = [{"image_id": name, "verdict": verdict, "region": region} for name, (verdict, region) in verdicts.items()]
    return pd.DataFrame(rows, columns=["image_id", "verdict", "region"])


def test_a_corrected_label_takes_the_given_one_s_place_and_says_where_it_is_from() -> None:
    out = apply_corrections(table(a="hand", b="hand"), said(a=("wrong_label", "knee"))).set_index("image_id")
    assert out.loc["a", ["region", "header_region", "reviewed"]].tolist() == ["knee", "hand", True]
    assert out.loc["a", ["label_attribute", "label_rule"]].tolist() == ["review", "review"]
    assert out.loc["b", ["region", "header_region", "reviewed"]].tolist() == ["hand", "hand", False]
    assert out.loc["b", ["label_attribute", "label_rule"]].tolist() == ["BodyPartExamined", "term"]


def test_a_confirmed_label_stays_and_counts_as_reviewed() -> None:
    out = apply_corrections(table(a="hand"), said(a=("given_is_right", "hand")))
    assert out.loc[0, ["region", "reviewed", "label_rule"]].tolist() == ["hand", True, "review"]


def test_a_reviewer_gives_a_missing_label() -> None:
    out = apply_corrections(table(a=None), said(a=("wrong_label", "knee")))
    assert out.loc[0, ["region", "label_status"]].tolist() == ["knee", "region"]
    assert pd.isna(out.loc[0, "header_region"])


def test_out_of_domain_takes_the_label_off() -> None:
    out = apply_corrections(table(a="hand"), said(a=("out_of_domain", "")))
    assert pd.isna(out.loc[0, "region"])
    assert out.loc[0, ["label_status", "header_region", "reviewed"]].tolist() == ["out_of_domain", "hand", True]


def test_verdicts_on_images_that_are_gone_do_no_harm_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    out = apply_corrections(table(a="hand", b="hand"), said(z=("wrong_label", "knee"), b=("given_is_right", "hand")))
    assert out["region"].tolist() == ["hand", "hand"]
    assert "1 verdicts are about images that are in no batch" in caplog.text


def labelled(**counts: int) -> pd.DataFrame:
    """So many patients a region."""
    rows = [(region, f"{region}{i}") for region, count in counts.items() for i in range(count)]
    return pd.DataFrame(rows, columns=["region", "patient_group"]).assign(label_status="region")


def test_a_class_with_too_few_patients_is_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("raytruth").propagate = True
    with caplog.at_level(logging.WARNING, "raytruth"):
        out, small = drop_small_classes(labelled(hand=3, knee=5, elbow=2), 3)
    assert small == {"elbow": 2}
    assert "elbow (2)" in caplog.text
    elbow = out["patient_group"].str.startswith("elbow")
    assert out.loc[elbow, "region"].isna().all()
    assert (out["label_status"] == "small_class").tolist() == elbow.tolist()
    assert out.loc[~elbow, "region"].notna().all()


def test_patients_count_and_not_images() -> None:
    many = pd.concat([labelled(hand=3, knee=3), pd.DataFrame({"region": ["elbow"] * 9, "patient_group": "one"})])
    assert drop_small_classes(many.reset_index(drop=True), 3)[1] == {"elbow": 1}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"hand": 9}, ["Only 1", "(hand)"]),
        ({"hand": 9, "knee": 2}, ["Only 1", "(hand)", "knee (2)"]),
        ({"hand": 1}, ["Only 0", "hand (1)"]),
        ({}, ["Only 0"]),
    ],
    ids=["one class", "one class large enough", "one patient", "no label"],
)
def test_fewer_than_two_classes_are_an_error_that_names_them(counts: dict[str, int], words: list[str]) -> None:
    with pytest.raises(RayTruthError) as error:
        drop_small_classes(labelled(**counts), 3)
    assert all(word in str(error.value) for word in words)
    assert error.value.do
