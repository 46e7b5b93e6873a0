"""Label texts as tokens: spelling does not matter, and a word inside a word is none."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.intake.taxonomy.tokens import tokens

GERMAN = st.text(alphabet="abcdeknorsuäöüßAEKNÄÖÜẞ 0123_-/().", max_size=30)


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
        ("Tibia&Fibula", ("tibia", "and", "fibula")),
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
