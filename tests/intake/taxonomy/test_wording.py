"""Which of the known phrases a text says, however it is spaced, and which it excludes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.intake.taxonomy.tokens import tokens
from dagster_project.intake.taxonomy.vocabulary import vocabulary
from dagster_project.intake.taxonomy.wording import (
    joined_pairs,
    not_excluded,
    part_behind_bone,
    phrases_in,
    without_affixes,
    without_spaces,
)

PHRASE = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)
WORDS = vocabulary()


def found_in(text: str, known: list[str]) -> list[str]:
    table = {tokens(phrase): "" for phrase in known}
    found = phrases_in(tokens(text), table, without_spaces(table), max(map(len, table), default=0) + 1)
    return [" ".join(f.phrase) for f in found]


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("BWS LWS", ["bws", "lws", "bws lws"], ["bws lws"]),
        ("oberes Sprunggelenk re", ["sprunggelenk", "oberes sprunggelenk"], ["oberes sprunggelenk"]),
        ("Handgelenk", ["hand"], []),
        ("Hand Gelenk", ["hand"], ["hand"]),
        ("lower leg and leg", ["leg", "lower leg"], ["lower leg", "leg"]),
        ("lower", ["lower leg"], []),
        ("knie", [], []),
        ("FROGLEG", ["frog leg"], ["frog leg"]),
        ("frog-leg", ["frogleg"], ["frogleg"]),
        ("L/S SPINE", ["ls spine", "spine"], ["ls spine"]),
        ("Hand-Gelenk", ["hand", "handgelenk"], ["handgelenk"]),
        ("A. L. A.", ["ala"], []),
        ("ct spine", ["ctspine", "ct spine"], ["ct spine"]),
    ],
)
def test_the_longest_known_phrase_is_found(text: str, known: list[str], expected: list[str]) -> None:
    assert found_in(text, known) == expected


@given(st.lists(st.sampled_from("abcx"), max_size=12).map(tuple), st.sets(PHRASE, max_size=6))
def test_phrases_are_found_as_a_regular_expression_finds_them(text: tuple[str, ...], known: set) -> None:
    words = sorted((" ".join(phrase) for phrase in known), key=len, reverse=True)
    slow = re.findall(rf"\b(?:{'|'.join(words)})\b", " ".join(text)) if words else []
    found = phrases_in(text, dict.fromkeys(known, ""), {}, max(map(len, known), default=0))
    assert [" ".join(f.phrase) for f in found] == slow
    assert all(text[f.start : f.stop] == f.phrase for f in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NECK OF FEMUR", "femur neck"),
        ("AP neck of the lt. femur and knee", "ap femur neck and knee"),
        ("head of 2nd metacarpal", "metacarpal head"),
        ("Kopf des Radius", "radius kopf"),
        ("NECK OF TALUS VIEW", "talus neck view"),
        ("head of pancreas", "pancreas"),
        ("neck of", ""),
        ("head and neck of", "head and"),
        ("base of thumb", "base of thumb"),
        ("neck", "neck"),
    ],
)
def test_a_bones_part_is_put_behind_the_bone(text: str, expected: str) -> None:
    assert " ".join(part_behind_bone(tokens(text), WORDS)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RTKNEE", "rt knee"),
        ("LHIP", "l hip"),
        ("HANDPA 2", "hand pa 2"),
        ("KNEE", "knee"),
        ("RHAND LTHAND", "r hand lt hand"),
        ("HANDR", "handr"),
        ("LTKNEEAP", "ltkneeap"),
        ("UNHAND", "unhand"),
    ],
)
def test_a_side_or_view_is_parted_from_its_word(text: str, expected: str) -> None:
    known = {tokens(word): "" for word in ("knee", "hip", "hand")}
    assert " ".join(without_affixes(tokens(text), known, WORDS)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not hand", []),
        ("hand w/o knee", ["hand"]),
        ("ohne Hand, Knee", ["knee"]),
        ("no contrast knee", ["knee"]),
        ("hand not", ["hand"]),
        ("not", []),
    ],
)
def test_what_stands_behind_a_negation_is_excluded(text: str, expected: list[str]) -> None:
    said = tokens(text)
    known = {("hand",): "", ("knee",): ""}
    assert [f.phrase[0] for f in not_excluded(phrases_in(said, known, {}, 1), said, WORDS)] == expected


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("hip and leg", [("hip", "leg")]),
        ("hip & leg to knee", [("hip", "leg"), ("leg", "knee")]),
        ("hip leg", []),
        ("hip and left leg", []),
    ],
)
def test_neighbours_are_joined_by_nothing_but_a_joiner(text: str, pairs: list[tuple[str, str]]) -> None:
    said = tokens(text)
    known = {(word,): "" for word in ("hip", "leg", "knee")}
    assert [(a[0], b[0]) for a, b in joined_pairs(phrases_in(said, known, {}, 1), said, WORDS)] == pairs
