"""The worklist: every suspicious label with all that an answer needs, and nothing of the reviewed ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.reviewing import ranked_root

from dagster_project.core.atomic_io import content_hash, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import Verdict, append_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.review.cards import load_worklist
from dagster_project.label_quality.review.worklist import build_worklist, provenance

SUSPECTS = 20
Pair = tuple[Paths, Settings]


@pytest.fixture
def root(tmp_path: Path) -> Pair:
    paths = Paths(tmp_path / "root")
    return paths, ranked_root(paths, SUSPECTS)


def built(root: Pair) -> list[dict]:
    build_worklist(Root(*root))
    return list(load_worklist(root[0]).cards.values())


def test_every_suspicious_image_has_a_card_in_the_order_of_ranks(root: Pair) -> None:
    summary = build_worklist(Root(*root))
    ranked = load_label_errors(root[0])
    suspects = ranked[ranked["kind"] != "none"]
    cards = list(load_worklist(root[0]).cards.values())
    assert [card["image_id"] for card in cards] == suspects["image_id"].tolist()
    assert [card["kind"] for card in cards] == suspects["kind"].tolist()
    assert [card["given_region"] for card in cards] == [region or "" for region in suspects["given_region"]]
    assert [card["proposed_region"] for card in cards] == suspects["proposed_region"].tolist()
    assert summary.cards == len(suspects) == sum(summary.kinds.values())


def test_a_card_lists_the_visible_regions_the_most_probable_first(root: Pair) -> None:
    names = Root(*root).taxonomy.regions
    seen = [{"region": names[0], "probability": 0.97}, {"region": names[1], "probability": 0.62}]
    assert [card["visible_regions"] for card in built(root)] == [seen] * SUSPECTS
    older = load_label_errors(root[0]).drop(columns="visible_regions")
    write_table(root[0].label_errors, older)
    assert [card["visible_regions"] for card in built(root)] == [[]] * SUSPECTS


def test_the_list_is_no_longer_than_asked_for(root: Pair) -> None:
    paths, settings = root
    short = settings.label_errors.model_copy(update={"worklist_length": 4})
    build_worklist(Root(paths, settings.model_copy(update={"label_errors": short})))
    assert [card["rank"] for card in load_worklist(paths).cards.values()] == [1, 2, 3, 4]


def test_all_images_of_the_cards_are_there_and_no_other(root: Pair) -> None:
    cards = built(root)
    wanted = {card["image_id"] for card in cards}
    wanted |= {other["image_id"] for card in cards for group in card["comparison"] for other in group["images"]}
    images = load_worklist(root[0]).images
    assert set(images) == wanted
    assert all(max(Image.open(path).size) <= 256 for path in images.values())


def test_three_neighbours_of_other_patients_of_both_labels_stand_beside(root: Pair) -> None:
    cards = built(root)
    table = load_training_set(root[0]).set_index("image_id")
    for card in cards:
        groups = {group["title"]: group["images"] for group in card["comparison"]}
        for label in filter(None, {card["given_region"], card["proposed_region"]}):
            near = [other["image_id"] for other in groups[f"nearest images labelled {label.replace('_', ' ')}"]]
            assert len(near) == 3
            assert set(table.loc[near, "region"]) == {label}
            assert table.loc[card["image_id"], "patient_group"] not in set(table.loc[near, "patient_group"])
        (same,) = groups["other images of the study"]
        assert table.loc[same["image_id"], "study"] == table.loc[card["image_id"], "study"]
        assert same["region"] == (table.loc[same["image_id"], "region"] or "")
    assert [card["rank"] for card in cards if card["comparison"][-1]["title"] == "near-duplicates"] == [1, 2]


def test_reviewed_images_are_not_asked_for_again(root: Pair) -> None:
    ranked = load_label_errors(root[0])
    first = ranked["image_id"][0]
    ranked.loc[0, "kind"] = "none"
    write_table(root[0].label_errors, ranked)
    assert first not in {card["image_id"] for card in built(root)}


def test_without_suspects_the_list_is_empty(root: Pair) -> None:
    write_table(root[0].label_errors, load_label_errors(root[0]).assign(kind="none"))
    assert built(root) == []


def test_a_list_not_made_yet_is_said(root: Pair) -> None:
    with pytest.raises(RayTruthError, match="no worklist yet") as error:
        load_worklist(root[0])
    assert "raytruth worklist" in error.value.do


def test_the_same_root_gives_the_same_list(root: Pair) -> None:
    built(root)
    before = content_hash(root[0].worklist)
    built(root)
    assert content_hash(root[0].worklist) == before


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ({}, "BodyPartExamined, by the DICOM defined term KNEE"),
        ({"label_rule": "code", "label_matched": "72696002"}, "BodyPartExamined, by the SNOMED CT code 72696002"),
        ({"label_rule": "", "label_matched": "", "label_status": "unmapped"}, "BodyPartExamined, no known word"),
        ({"label_rule": "several", "label_matched": "hand + knie"}, "BodyPartExamined, several regions hand + knie"),
        ({"label_rule": "review", "label_attribute": "review", "label_matched": ""}, "review, by a reviewer"),
        (
            {"label_conflict": "StudyDescription", "label_conflict_region": "hand"},
            "BodyPartExamined, by the DICOM defined term KNEE; StudyDescription says hand",
        ),
        (
            {"label_conflict": "StudyDescription", "label_conflict_region": None},
            "BodyPartExamined, by the DICOM defined term KNEE; StudyDescription says a region outside the classes",
        ),
        ({"label_attribute": "", "label_status": "missing"}, "no attribute names a region"),
    ],
)
def test_provenance_in_words(image: dict[str, str | None], words: str) -> None:
    known = {
        "label_attribute": "BodyPartExamined",
        "label_rule": "term",
        "label_matched": "KNEE",
        "label_status": "region",
        "label_conflict": "",
        "label_conflict_region": None,
    }
    assert provenance(pd.Series(known | image, dtype=object)) == words


def test_what_wants_another_reader_stays_in_the_list_as_the_first_reader_saw_it(root: Pair) -> None:
    paths, _ = root
    before = built(root)
    doubtful, sure = before[1], before[2]
    said = {"undetermined": doubtful, "out_of_domain": sure}
    read = [
        Verdict(card["image_id"], v, "", card["given_region"], card["proposed_region"], "Dr A")
        for v, card in said.items()
    ]
    append_verdicts(paths, read, ("hand",))
    ranked = load_label_errors(paths)
    reviewed = ranked["image_id"].isin([verdict.image_id for verdict in read])
    ranked.loc[reviewed, ["kind", "given_region"]] = "none", "hand"
    write_table(paths.label_errors, ranked)
    after = built(root)
    assert {card["image_id"] for card in before} - {card["image_id"] for card in after} == {sure["image_id"]}
    assert after[-1]["kind"] == "second_reading"
    assert {name: after[-1][name] for name in ("image_id", "given_region", "proposed_region")} == {
        name: doubtful[name] for name in ("image_id", "given_region", "proposed_region")
    }
