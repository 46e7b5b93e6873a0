"""regions.yaml joined with the vocabulary: what a class takes in, and what a malformed file is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.taxonomies import SITE_REGIONS, own_taxonomy, taxonomy_of

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.taxonomy.taxonomy import AMBIGUOUS, OUT_OF_SCOPE, load_taxonomy
from dagster_project.intake.taxonomy.tokens import tokens

KNEE_AND = 'knee: {terms: {KNEE: "72696002"}}\n'
MEANINGS = {
    "THUMB": "hand_wrist",
    "Daumen": "hand_wrist",
    "76505004": "hand_wrist",
    "FINGER": "hand_wrist",
    "Handwurzel": "hand_wrist",
    "Oberarm": "humerus_arm",
    "Gelenk oben": "humerus_arm",
    "Gelenk": AMBIGUOUS,
    "SPINE": "spine_whole",
    "ganze WS": "spine_whole",
    "Skoliose": "spine_whole",
    "CSPINE": "spine_whole",
    "HWS": "spine_whole",
    "LSSPINE": "spine_whole",
    "421060004": "spine_whole",
    "122494005": "spine_whole",
    "ISG": "hip_pelvis",
    "29836001": "hip_pelvis",
    "KNEE": OUT_OF_SCOPE,
    "Radius": OUT_OF_SCOPE,
    "72696002": OUT_OF_SCOPE,
    "EXTREMITY": AMBIGUOUS,
    "Bein": AMBIGUOUS,
}


@pytest.mark.parametrize("word", MEANINGS)
def test_a_sites_classes_take_in_what_lies_within_their_terms(word: str, tmp_path: Path) -> None:
    site = taxonomy_of(SITE_REGIONS, tmp_path)
    meanings = {site.codes.get(word), site.terms.get(word), site.phrases.get(tokens(word))}
    assert meanings - {None} == {MEANINGS[word]}


def test_classes_keep_the_order_of_the_file(tmp_path: Path) -> None:
    assert taxonomy_of(SITE_REGIONS, tmp_path).regions == ("hand_wrist", "humerus_arm", "spine_whole", "hip_pelvis")
    assert len(own_taxonomy().regions) == 14
    assert own_taxonomy().regions[:3] == ("shoulder", "humerus", "elbow")


def test_the_spine_is_ambiguous_where_no_class_is_the_whole_spine() -> None:
    assert own_taxonomy().terms["SPINE"] == AMBIGUOUS
    assert own_taxonomy().terms["LSPINE"] == "thoracolumbar_spine"


def test_the_own_synonym_of_a_class_wins_over_the_vocabulary(tmp_path: Path) -> None:
    text = KNEE_AND + 'hand: {terms: {HAND: "85562004"}, synonyms: [Patella]}'
    assert taxonomy_of(text, tmp_path).phrases[("patella",)] == "hand"
    assert taxonomy_of(text, tmp_path).terms["PATELLA"] == "knee"


@pytest.mark.parametrize("synonyms", ["[Vorfuß, foo bar]", "{de: [Vorfuß], fr: [foo bar]}"])
def test_synonyms_are_a_list_or_lists_by_language(synonyms: str, tmp_path: Path) -> None:
    taxonomy = taxonomy_of(KNEE_AND + f'foot: {{terms: {{FOOT: "56459004"}}, synonyms: {synonyms}}}', tmp_path)
    assert taxonomy.phrases[("vorfuss",)] == taxonomy.phrases[("foo", "bar")] == "foot"


def test_a_term_may_be_one_that_the_vocabulary_does_not_know(tmp_path: Path) -> None:
    taxonomy = taxonomy_of(KNEE_AND + 'tail: {terms: {tail: "99999999"}}', tmp_path)
    assert taxonomy.terms["TAIL"] == taxonomy.codes["99999999"] == "tail"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KNEE_AND, "1 class"),
        ("{}", "0 class"),
        ("", "valid dictionary"),
        ("- knee\n- hand", "valid dictionary"),
        ("knee: {terms: {KNEE", "not valid YAML"),
        ("knee: {terms: {}}\nhand: {terms: {}}", "knee.terms"),
        ("knee: {}\nhand: {}", "knee.terms"),
        (KNEE_AND + "hand: {terms: {HAND: 85562004}}", "hand.terms.HAND"),
        (KNEE_AND + 'hand: {terms: {HAND: ""}}', "hand.terms.HAND"),
        (KNEE_AND + 'hand: {terms: {HAND: "85562004"}, words: [x]}', "hand.words"),
        (KNEE_AND + 'hand: {terms: {HAND: "85562004"}, synonyms: x}', "hand.synonyms"),
        (KNEE_AND + 'Left Hand: {terms: {HAND: "85562004"}}', "Left Hand"),
        (KNEE_AND + 'hand: {terms: {knee: "1"}}', "term 'knee' is in two classes: knee and hand"),
        (KNEE_AND + 'hand: {terms: {HAND: "72696002"}}', "code '72696002' is in two classes: knee and hand"),
        (
            'knee: {terms: {KNEE: "1"}, synonyms: [Füße]}\nhand: {terms: {HAND: "2"}, synonyms: [FUESSE]}',
            "synonym 'FUESSE' is in two classes: knee and hand",
        ),
    ],
)
def test_a_malformed_file_is_told_what_is_wrong_and_where(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match=re.escape(said)) as caught:
        taxonomy_of(text, tmp_path)
    assert caught.value.where == str(tmp_path / "regions.yaml")
    assert caught.value.do


def test_a_file_in_another_encoding_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "regions.yaml"
    path.write_bytes((KNEE_AND + 'foot: {terms: {FOOT: "56459004"}, synonyms: [Füße]}').encode("latin-1"))
    with pytest.raises(RayTruthError, match="UTF-8"):
        load_taxonomy(path)


def test_a_missing_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="missing"):
        load_taxonomy(tmp_path / "regions.yaml")
