"""What cards can be narrowed by, and how many errors are still expected."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.reviewing import ranked_root

from dagster_project.core.atomic_io import read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.review.card_metadata import expected_errors_of, headers_of, with_card_metadata
from dagster_project.label_quality.review.cards import Worklist, load_worklist
from dagster_project.label_quality.review.worklist import build_worklist


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "root")
    build_worklist(Root(paths, ranked_root(paths, 10)))
    return paths


def told(paths: Paths) -> Worklist:
    worklist = load_worklist(paths)
    return with_card_metadata(paths, worklist, headers_of(paths, worklist))


def test_cards_say_station_device_source_of_the_label_and_the_causes_found(paths: Paths) -> None:
    ids = list(load_worklist(paths).cards)
    causes = [{"cause": "Station ROOM2: about 3 of 4 labels are wrong", "image_ids": ids[1:3]}]
    causes += [{"cause": "The batch north", "image_ids": [ids[1], "of another list"]}]
    write_table(paths.error_causes, pd.DataFrame(causes))
    cards = told(paths).cards
    assert [cards[i]["station"] for i in ids[:4]] == ["ROOM1", "ROOM2", "ROOM3", "ROOM1"]
    assert {card["device"] for card in cards.values()} == {"ACME DR-1"}
    assert {card["source"] for card in cards.values()} == {"BodyPartExamined KNEE"}
    named = [[cause["cause"] for cause in causes], [causes[0]["cause"]], []]
    assert [cards[i]["causes"] for i in ids[1:4]] == named


def test_cards_name_turned_and_inverted_images(paths: Paths) -> None:
    ids = list(load_worklist(paths).cards)
    write_table(paths.orientation, pd.DataFrame({"image_id": ids[:3], "finding": ["", "turned by 180°", "inverted"]}))
    found = [card["orientation"] for card in told(paths).cards.values()]
    assert found == ["", "turned by 180°", "inverted", *[""] * (len(ids) - 3)]


def test_without_headers_or_causes_the_cards_say_so(paths: Paths) -> None:
    for batch in ("north", "south"):
        paths.headers(batch).unlink()
    assert {
        (c["station"], c["device"], c["source"], c["orientation"], *c["causes"]) for c in told(paths).cards.values()
    } == {("", "", "", "")}


def test_expected_errors_are_those_of_labels_that_nobody_has_read(paths: Paths) -> None:
    ranked = read_table(paths.label_errors)
    worklist = load_worklist(paths)
    likely, beyond = expected_errors_of(paths, worklist, [])
    assert likely[ranked["image_id"][4]] == pytest.approx(ranked["error_probability"][4])
    write_table(paths.label_errors, ranked.assign(error_probability=[0.5] * 10 + [0.25] * 40))
    likely, beyond = expected_errors_of(paths, worklist, [ranked["image_id"][12], ranked["image_id"][2]])
    labelled = [image_id for image_id, card in worklist.cards.items() if card["kind"] != "missing_label"]
    assert likely == dict.fromkeys(labelled, 0.5)
    assert beyond == pytest.approx(39 * 0.25)
    write_table(paths.label_errors, ranked.drop(columns="error_probability"))
    with pytest.raises(RayTruthError, match="written by an older version") as error:
        expected_errors_of(paths, worklist, [])
    assert "raytruth find-errors" in error.value.do
    paths.label_errors.unlink()
    assert expected_errors_of(paths, worklist, []) == ({}, 0.0)
