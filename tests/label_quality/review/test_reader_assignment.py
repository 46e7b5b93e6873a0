"""Whose reading an image wants, what counts as found, and how agreement is told."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dagster_project.core.ledger import Verdict, append_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import VerdictKind
from dagster_project.label_quality.review.reader_assignment import count_errors, kappas, latest_verdicts, open_images

REGIONS = ("hand", "knee", "foot")
Said = tuple[str, str, str, str]


def read_by(tmp_path: Path, *said: Said) -> pd.DataFrame:
    """Readings of (image, reviewer, verdict, region), each given as hand and proposed as knee."""
    paths = Paths(tmp_path)
    append_verdicts(paths, [Verdict(i, v, r, "hand", "knee", who) for i, who, v, r in said], REGIONS)
    return latest_verdicts(load_verdicts(paths))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ([], ["a"]),
        ([("a", "A", "given_is_right", "")], []),
        ([("a", "A", "wrong_label", "knee")], []),
        ([("a", "A", "wrong_label", "foot")], ["a"]),
        ([("a", "A", "undetermined", "")], ["a"]),
        ([("a", "B", "undetermined", "")], []),
        ([("a", "A", "undetermined", ""), ("a", "C", "given_is_right", "")], ["a"]),
        ([("a", "A", "wrong_label", "foot"), ("a", "C", "given_is_right", "")], ["a"]),
        ([("a", "A", "wrong_label", "foot"), ("a", "C", "wrong_label", "foot")], []),
        ([("a", "A", "wrong_label", "foot"), ("a", "B", "given_is_right", "")], []),
    ],
)
def test_a_further_reader_is_asked_only_in_doubt_and_never_twice(
    tmp_path: Path, said: list[Said], wanted: list
) -> None:
    assert open_images(read_by(tmp_path, *said), ["a"], "B", 0.0) == wanted


@pytest.mark.slow
def test_the_sample_for_second_reading_is_the_same_at_every_start_and_of_the_share_asked_for(tmp_path: Path) -> None:
    ids = [f"{i:04d}" for i in range(400)]
    read = read_by(tmp_path, *((i, "A", "given_is_right", "") for i in ids))
    drawn = open_images(read, ids, "B", 0.25)
    assert 70 < len(drawn) < 130
    assert open_images(read, ids, "B", 0.25) == drawn
    assert open_images(read, ids, "A", 0.25) == []
    assert open_images(read, ids, "B", 1.0) == ids


def test_yield_counts_the_latest_word_on_each_image_and_no_doubts(tmp_path: Path) -> None:
    said = [("a", "A", "given_is_right", ""), ("a", "B", "out_of_domain", ""), ("b", "A", "wrong_label", "knee")]
    said += [("c", "A", "undetermined", ""), ("d", "A", "two_regions", "knee"), ("z", "A", "wrong_label", "knee")]
    assert count_errors(read_by(tmp_path, *said), ["a", "b", "c", "d", "e"]) == (3, 2)


def test_kappa_is_that_of_a_hand_count(tmp_path: Path) -> None:
    """Of ten images both say hand four times and knee three times; by chance they agree on 0.5, so 0.7 makes 0.4."""
    pairs = [("hand", "hand")] * 4 + [("knee", "knee")] * 3 + [("hand", "knee")] * 1 + [("knee", "hand")] * 2
    said = [
        (f"{i}", who, "given_is_right" if region == "hand" else "wrong_label", "" if region == "hand" else region)
        for i, pair in enumerate(pairs)
        for who, region in zip("AB", pair, strict=True)
    ]
    (told,) = kappas(read_by(tmp_path, *said))
    assert (told["reviewers"], told["images"]) == (["A", "B"], 10)
    chance = 0.5 * 0.6 + 0.5 * 0.4
    assert told["kappa"] == pytest.approx((0.7 - chance) / (1 - chance), abs=1e-3)


def test_agreement_without_variety_is_not_defined_and_without_common_images_not_told(tmp_path: Path) -> None:
    assert kappas(read_by(tmp_path, ("a", "A", "given_is_right", ""), ("b", "B", "given_is_right", ""))) == []
    (told,) = kappas(read_by(tmp_path, ("a", "B", "given_is_right", "")))
    assert told["kappa"] is None


def test_what_was_taken_back_was_never_read(tmp_path: Path) -> None:
    read_by(tmp_path, ("a", "A", "given_is_right", ""))
    said = load_verdicts(Paths(tmp_path))["verdict_id"][0]
    back = Verdict("a", VerdictKind.RETRACTED, "", "hand", "knee", "A", retracts=said)
    append_verdicts(Paths(tmp_path), [back], REGIONS)
    read = latest_verdicts(load_verdicts(Paths(tmp_path)))
    assert open_images(read, ["a"], "A", 0.0) == ["a"]
    assert count_errors(read, ["a"]) == (0, 0)
