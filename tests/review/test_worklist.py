"""The review page: complete in its folder, safe whatever a label says, and with all that an answer needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.trained import Trained, trained_root

from dagster_project.files import content_hash, read_table, write_table
from dagster_project.label_errors.find import load_label_errors
from dagster_project.review.worklist import build_worklist, provenance
from dagster_project.training_set.build import load_training_set

EVIL = "<script>alert('x')</script>\" onload=\"alert(1)"


class Page(HTMLParser):
    """The tags of a page with their attributes, and its cards' texts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def root(made_once: Callable[..., Path], tmp_path: Path) -> Trained:
    return trained_root(made_once).copied_to(tmp_path / "root")


def built(root: Trained) -> Page:
    return Page(build_worklist(root.layout, root.params).page)


def test_every_suspicious_picture_has_a_card_in_the_order_of_ranks(root: Trained) -> None:
    summary = build_worklist(root.layout, root.params)
    ranked = load_label_errors(root.layout)
    suspects = ranked[ranked["kind"] != "none"]
    cards = Page(summary.page).of("article")
    assert [card["data-image"] for card in cards] == suspects["image_id"].tolist()
    assert [card["data-kind"] for card in cards] == suspects["kind"].tolist()
    assert [card["data-given"] for card in cards] == suspects["given_region"].fillna("").tolist()
    assert [card["data-suggested"] for card in cards] == suspects["suggested_region"].tolist()
    assert summary.cards == len(suspects) == sum(summary.kinds.values())


def test_the_list_is_no_longer_than_asked_for(root: Trained) -> None:
    short = root.params.label_errors.model_copy(update={"worklist_length": 4})
    summary = build_worklist(root.layout, root.params.model_copy(update={"label_errors": short}))
    assert summary.cards == 4
    assert load_label_errors(root.layout)["rank"].head(4).tolist() == [1, 2, 3, 4]


def test_the_page_names_no_address_outside_its_folder_and_every_picture_is_there(root: Trained) -> None:
    page = built(root)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"(?m)^\s*//.*$", "", page.source))
    assert page.of("link") == page.of("iframe") == []
    assert all("src" not in script for script in page.of("script"))
    sources = {image["src"] for image in page.of("img")}
    folder = root.layout.worklist
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")} == sources
    assert all(max(Image.open(folder / source).size) <= 256 for source in sources if source)


@pytest.mark.parametrize("column", ["label_matched", "label_attribute", "label_conflict", "label_conflict_region"])
def test_whatever_a_label_says_stays_text(root: Trained, column: str) -> None:
    plain = built(root)
    table = load_training_set(root.layout)
    attribute = table["label_attribute"].where(table["label_attribute"] != "", "BodyPartExamined")
    table = table.assign(label_attribute=attribute, label_conflict="StudyDescription", label_conflict_region="hand")
    write_table(root.layout.training_set, table.assign(**{column: EVIL}))
    page = built(root)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not any("onload" in attrs for _, attrs in page.tags)
    assert EVIL in page.text
    assert "<script>alert" not in page.source


def test_region_names_too_stay_text(root: Trained) -> None:
    ranked = load_label_errors(root.layout).assign(given_region=EVIL)
    write_table(root.layout.label_errors, ranked)
    page = built(root)
    assert {card["data-given"] for card in page.of("article")} == {EVIL}
    assert len(page.of("script")) == 1


def test_a_card_tells_given_and_proposed_label_their_neighbours_and_where_the_label_is_from(root: Trained) -> None:
    table = load_training_set(root.layout)
    told = {"label_attribute": "BodyPartExamined", "label_rule": "term", "label_matched": "KNEE"}
    write_table(root.layout.training_set, table.assign(**told))
    page = built(root)
    for words in ("given", "proposed", "BodyPartExamined, by the DICOM defined term KNEE", "nearest labelled"):
        assert words in page.text
    region = table.set_index("image_id")["region"]
    group = table.set_index("image_id")["group"]
    body = page.source.split("<article ")[1:]
    for card, attrs in zip(body, page.of("article"), strict=True):
        own = attrs["data-image"]
        for wanted in (attrs["data-given"], attrs["data-suggested"]):
            for near in re.findall(rf'pictures/(\w+).jpg" alt="nearest labelled {wanted}"', card) if wanted else []:
                assert region[near] == wanted
                assert group[near] != group[own]


def test_copies_of_a_suspicious_picture_are_shown_with_their_labels(root: Trained) -> None:
    page = built(root)
    assert any((image["alt"] or "").startswith("copy labelled") for image in page.of("img"))


def test_reviewed_pictures_are_not_asked_for_again(root: Trained) -> None:
    ranked = load_label_errors(root.layout)
    first = ranked["image_id"][0]
    ranked.loc[0, "kind"] = "none"
    write_table(root.layout.label_errors, ranked)
    assert first not in {card["data-image"] for card in built(root).of("article")}


def test_without_suspects_the_page_says_so(root: Trained) -> None:
    write_table(root.layout.label_errors, load_label_errors(root.layout).assign(kind="none"))
    page = built(root)
    assert page.of("article") == []
    assert "No label is suspicious." in page.text


def test_the_same_root_gives_the_same_page(root: Trained) -> None:
    built(root)
    before = content_hash(root.layout.worklist)
    built(root)
    assert content_hash(root.layout.worklist) == before


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({}, "BodyPartExamined, by the DICOM defined term KNEE"),
        ({"label_rule": "code", "label_matched": "72696002"}, "BodyPartExamined, by its SNOMED CT code 72696002"),
        ({"label_rule": "", "label_matched": "", "label_status": "unmapped"}, "BodyPartExamined, no known word"),
        ({"label_rule": "several", "label_matched": "hand + knie"}, "BodyPartExamined, several regions hand + knie"),
        ({"label_rule": "review", "label_attribute": "review", "label_matched": ""}, "review, said by a reviewer"),
        (
            {"label_conflict": "StudyDescription", "label_conflict_region": "hand"},
            "BodyPartExamined, by the DICOM defined term KNEE; StudyDescription says hand",
        ),
        (
            {"label_conflict": "StudyDescription", "label_conflict_region": None},
            "BodyPartExamined, by the DICOM defined term KNEE; StudyDescription says a region of no class",
        ),
        ({"label_attribute": "", "label_status": "absent"}, "no attribute names a region"),
    ],
)
def test_provenance_in_words(picture: dict[str, str | None], words: str) -> None:
    known = {
        "label_attribute": "BodyPartExamined",
        "label_rule": "term",
        "label_matched": "KNEE",
        "label_status": "region",
        "label_conflict": "",
        "label_conflict_region": None,
    }
    assert provenance(pd.Series(known | picture, dtype=object)) == words


def test_the_page_s_store_is_that_of_its_list(root: Trained) -> None:
    """Answers kept by the browser belong to one list; another list must not pick them up."""
    assert content_hash(root.layout.label_errors) in built(root).source
    assert read_table(root.layout.label_errors)["rank"].is_unique
