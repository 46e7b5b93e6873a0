"""Verdicts given under other classes: carried over by the map, their effect counted, or an error."""

from __future__ import annotations

import pandas as pd
import pytest

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.training_set.region_remap import REVIEW_AGAIN, remap_regions

REGIONS = ("pelvis", "knee", "thoracic_spine")


def said(**rows: tuple[str, str]) -> pd.DataFrame:
    """image id -> (region, given region)."""
    table = [{"image_id": name, "region": region, "given_region": given} for name, (region, given) in rows.items()]
    return pd.DataFrame(table, columns=["image_id", "region", "given_region"])


def test_labels_of_today_pass_unchanged() -> None:
    corrected = said(a=("knee", "pelvis"), b=("", "knee"))
    out, effect = remap_regions(corrected, {}, REGIONS)
    pd.testing.assert_frame_equal(out, corrected)
    assert effect == {}


def test_a_class_that_is_no_more_becomes_its_successor_or_is_reviewed_again() -> None:
    corrected = said(a=("hip", "knee"), b=("knee", "hip"), c=("spine", "knee"), d=("hip", "spine"))
    out, effect = remap_regions(corrected, {"hip": "pelvis", "spine": None}, REGIONS)
    assert out[["image_id", "region", "given_region"]].to_numpy().tolist() == [
        ["a", "pelvis", "knee"],
        ["b", "knee", "pelvis"],
        ["d", "pelvis", "spine"],
    ]
    assert effect == {("hip", "pelvis"): 2, ("spine", REVIEW_AGAIN): 1}


def test_without_a_map_the_unknown_classes_are_named() -> None:
    with pytest.raises(RayTruthError, match="not in the regions file: hip, spine") as error:
        remap_regions(said(a=("hip", "knee"), b=("spine", "knee")), {}, REGIONS)
    assert "region_map" in error.value.do


@pytest.mark.parametrize(
    ("region_map", "problem"),
    [
        ({"knee": "pelvis"}, "still a class of the regions file: knee"),
        ({"hip": "elbow"}, "not in the regions file: elbow"),
    ],
)
def test_a_map_that_cannot_be_followed_is_an_error(region_map: dict[str, str | None], problem: str) -> None:
    with pytest.raises(RayTruthError, match=problem):
        remap_regions(said(a=("knee", "pelvis")), region_map, REGIONS)
