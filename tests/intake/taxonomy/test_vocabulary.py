"""vocabulary.yaml: facts that hold together, checked against pydicom's copy of the standard."""

from __future__ import annotations

from collections import defaultdict

import pytest
from pydicom.sr.codedict import codes

from dagster_project.intake.taxonomy.spellings import english
from dagster_project.intake.taxonomy.tokens import tokens
from dagster_project.intake.taxonomy.vocabulary import Term, vocabulary

TERMS = {**vocabulary().terms, **vocabulary().ambiguous}
ANATOMY_IMAGED = {
    code.value: code.meaning for code in (getattr(codes.CID4031, keyword) for keyword in codes.CID4031.dir())
}
NOT_IN_CID_4031 = {
    *("RADIUS", "ULNA", "RADIUSULNA", "TIBIA", "TIBIAFIBULA", "CALF"),
    *("FACE", "NOSE", "LUNG", "JOINT", "BACK", "OTHER", "LLUMBAR", "RLUMBAR"),
}


@pytest.mark.parametrize("name", sorted(set(TERMS) - NOT_IN_CID_4031))
def test_a_code_is_that_of_cid_4031(name: str) -> None:
    meaning = ANATOMY_IMAGED[TERMS[name].code]
    words = {word[:4] for phrase in (name, *TERMS[name].en) for word in tokens(phrase)}
    assert words & {word[:4] for word in tokens(meaning)} or name == "TMJ", meaning


def test_what_is_not_in_cid_4031_is_known() -> None:
    assert {name for name, term in TERMS.items() if term.code not in ANATOMY_IMAGED} == NOT_IN_CID_4031


def test_no_word_and_no_code_stands_for_two_terms() -> None:
    owners: dict[object, set[str]] = defaultdict(set)
    for name, term in TERMS.items():
        for phrase in (name, *term.en, *term.de):
            owners[tokens(phrase)].add(name)
        for spelling in (spelling for phrase in term.en for spelling in english(phrase)):
            owners[spelling].add(name)
        for code in filter(None, (term.code, *term.also)):
            owners[code].add(name)
    assert {key: names for key, names in owners.items() if len(names) > 1} == {}
    assert () not in owners


@pytest.mark.parametrize(("name", "term"), TERMS.items(), ids=list(TERMS))
def test_every_term_has_words_in_both_languages_and_lies_within_known_ones(name: str, term: Term) -> None:
    assert term.en
    assert term.de
    way, within = [name], term.within
    while within:
        assert within in TERMS
        assert within not in way
        way.append(within)
        within = TERMS[within].within


def test_what_is_retired_leads_to_what_is_current() -> None:
    current = {code for term in TERMS.values() for code in (term.code, *term.also)}
    words = vocabulary()
    assert set(words.retired_terms.values()) <= set(TERMS)
    assert set(words.retired_codes.values()) <= current
    assert not set(words.retired_codes) & current
    assert not set(words.retired_terms) & set(TERMS)


@pytest.mark.parametrize("word", ["US", "OS", "SG", "D1", "DIG", "BÜ"])
def test_words_that_mean_other_things_too_are_left_out(word: str) -> None:
    assert tokens(word) not in {tokens(p) for term in TERMS.values() for p in (*term.en, *term.de)}


def test_what_the_spellings_name_is_known() -> None:
    words = vocabulary()
    assert {*words.spine_levels.values(), *words.spine_junctions.values(), *words.bones} <= set(TERMS)
    assert {letter for pair in words.spine_junctions for letter in pair.split()} <= set(words.spine_levels)


def test_words_around_a_regions_word_are_single_tokens() -> None:
    words = vocabulary()
    listed = [*words.bone_parts, *words.bone_words, *words.spine_levels, *words.wording.affixes]
    listed += [*words.wording.of, *words.wording.between, *words.wording.joiners]
    assert all(tokens(word) == (word,) for word in listed)
    assert all(" ".join(tokens(word)) == word for word in words.wording.negations)
