"""Label texts as tokens: spelling does not matter, and a word inside a word is none."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.taxonomy.tokens import phrases_in, tokens

GERMAN = st.text(alphabet="abcdeknorsuäöüßAEKNÄÖÜẞ 0123_-/().", max_size=30)
PHRASE = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fuß", ("fuss",)),
        ("FUSS", ("fuss",)),
        ("FUẞ", ("fuss",)),
        ("Hüfte", ("huefte",)),
        ("Hu\u0308fte", ("huefte",)),
        ("HU\u0308FTE", ("huefte",)),
        ("Huefte", ("huefte",)),
        ("Knöchel", ("knoechel",)),
        ("Schädel", ("schaedel",)),
        ("KNIE_RE", ("knie", "re")),
        ("  Knie (re) ", ("knie", "re")),
        ("Knie\tre\n", ("knie", "re")),
        ("a.c.-joint", ("a", "c", "joint")),
        ("Hand2E", ("hand", "2", "e")),
        ("épaule", ("epaule",)),
        ("e\u0301paule", ("epaule",)),
        ("ﬁnger", ("finger",)),
        ("ＫＮＥＥ", ("knee",)),
        ("Handgelenk", ("handgelenk",)),
        ("колено", ()),
        ("?!", ()),
        ("", ()),
    ],
)
def test_a_text_gives_its_words(text: str, expected: tuple[str, ...]) -> None:
    assert tokens(text) == expected


@given(st.text(max_size=40))
def test_composed_and_decomposed_spellings_give_the_same_tokens(text: str) -> None:
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(unicodedata.normalize("NFC", text))


@given(GERMAN)
def test_case_does_not_matter(text: str) -> None:
    assert tokens(text.upper()) == tokens(text.lower()) == tokens(text)


@given(st.text(max_size=40))
def test_tokens_are_plain_and_give_themselves_again(text: str) -> None:
    found = tokens(text)
    assert all(re.fullmatch("[a-z]+|[0-9]+", token) for token in found)
    assert tokens(" ".join(found)) == found


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
    ],
)
def test_the_longest_known_phrase_is_found(text: str, known: list[str], expected: list[str]) -> None:
    table = {tokens(phrase): "" for phrase in known}
    assert [" ".join(phrase) for phrase in phrases_in(tokens(text), table, max(map(len, table), default=0))] == expected


@given(st.lists(st.sampled_from("abcx"), max_size=12).map(tuple), st.sets(PHRASE, max_size=6))
def test_phrases_are_found_as_a_regular_expression_finds_them(text: tuple[str, ...], known: set) -> None:
    words = sorted((" ".join(phrase) for phrase in known), key=len, reverse=True)
    slow = re.findall(rf"\b(?:{'|'.join(words)})\b", " ".join(text)) if words else []
    assert [
        " ".join(phrase) for phrase in phrases_in(text, dict.fromkeys(known, ""), max(map(len, known), default=0))
    ] == slow
