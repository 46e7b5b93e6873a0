"""Which verdicts become corrections, under the regions of today."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.corrections import drop_class, put_identities, said_of, say
from support.dicoms import radiograph, save
from support.roots import settings_of

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.corrections.collect import collect_corrections


@pytest.fixture
def known(root: Paths, tmp_path: Path) -> Paths:
    put_identities(root, [save(radiograph(seed), tmp_path / f"{seed}.dcm") for seed in range(3)])
    return root


def test_the_latest_verdict_counts_with_the_image_s_identity_and_model(known: Paths) -> None:
    say(known, said_of(0), said_of(1, "given_is_right"), said_of(0, region="hand", again=1), said_of(2, "two_regions"))
    (only,) = collect_corrections(Root(known, settings_of(known))).corrections
    assert (only.image_id, only.region, only.verdict_id, only.model_version) == ("image0", "hand", "v0-1", "model7")
    assert only.sop == radiograph(0).SOPInstanceUID
    assert only.sop not in repr(only)


def test_a_image_that_is_gone_is_counted(known: Paths) -> None:
    say(known, said_of(0), said_of(9))
    found = collect_corrections(Root(known, settings_of(known)))
    assert [c.image_id for c in found.corrections] == ["image0"]
    assert dict(found.left_out) == {"the image is in no batch any more": 1}


def test_a_class_that_is_no_more_stops_it_until_the_map_says_what_became_of_it(known: Paths) -> None:
    say(known, said_of(0), said_of(1, region="hand"))
    drop_class(known, "elbow", {})
    with pytest.raises(RayTruthError, match="not in the regions file: elbow"):
        collect_corrections(Root(known, settings_of(known)))
    drop_class(known, "wrist", {"elbow": "forearm"})
    assert {c.image_id: c.region for c in collect_corrections(Root(known, settings_of(known))).corrections} == {
        "image0": "forearm",
        "image1": "hand",
    }


def test_the_same_correction_has_the_same_uids_and_another_one_others(known: Paths) -> None:
    say(known, said_of(0), said_of(1))
    one, two = collect_corrections(Root(known, settings_of(known))).corrections
    (again, _) = collect_corrections(Root(known, settings_of(known))).corrections
    assert one.uid("report", "1") == again.uid("report", "1")
    uids = {c.uid(kind, code) for c in (one, two) for kind in ("report", "instance") for code in ("1", "2")}
    assert len(uids) == 8
    assert all(len(uid) <= 64 and uid.startswith("2.25.") for uid in uids)
