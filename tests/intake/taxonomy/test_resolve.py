"""Label texts and codes to a region, and the provenance of that."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.taxonomies import OWN_REGIONS, SITE_REGIONS, own_taxonomy, taxonomy_of

from dagster_project.intake.taxonomy.resolve import LABEL_ATTRIBUTES, Code, Label, resolve_label
from dagster_project.intake.taxonomy.taxonomy import AMBIGUOUS, OUT_OF_SCOPE
from dagster_project.intake.taxonomy.tokens import tokens
from dagster_project.intake.taxonomy.vocabulary import vocabulary

OWN = own_taxonomy()
WORDS = {**vocabulary().terms, **vocabulary().ambiguous}
CLASSES = yaml.safe_load(OWN_REGIONS.read_text(encoding="utf-8"))
CODED, TERM = LABEL_ATTRIBUTES[:2]
STATUS = {OUT_OF_SCOPE: ("out_of_scope", None), AMBIGUOUS: ("ambiguous", None)}


def sct(value: str, meaning: str = "", scheme: str = "SCT") -> Code:
    return Code(value, scheme, meaning)


def of_text(text: str, attribute: str = TERM) -> Label:
    return resolve_label([], {attribute: text}, OWN)


def of_codes(*codes: Code) -> Label:
    return resolve_label(codes, {}, OWN)


def meant(label: Label) -> tuple[str, str | None]:
    return label.status, label.region


def terms_of(region: str) -> list[str]:
    return [name for name, meaning in OWN.terms.items() if meaning == region and name in WORDS]


@pytest.mark.parametrize("region", OWN.regions)
class TestEveryClass:
    def test_is_meant_by_each_of_its_terms(self, region: str) -> None:
        for term in CLASSES[region]["terms"]:
            for spelling in (term, term.lower(), f" {term} "):
                assert of_text(spelling) == Label(region, "region", TERM, "term", term, "", None)

    def test_is_meant_by_each_of_its_codes(self, region: str) -> None:
        codes = {*CLASSES[region]["terms"].values(), *(c for t in terms_of(region) for c in WORDS[t].also)}
        for code in codes:
            assert of_codes(sct(code)) == Label(region, "region", CODED, "code", code, "", None)

    def test_is_meant_by_each_of_its_synonyms_in_both_languages(self, region: str) -> None:
        assert set(CLASSES[region]["synonyms"]) == {"en", "de"}
        for phrases in CLASSES[region]["synonyms"].values():
            for phrase in phrases:
                assert of_text(f"X {phrase} re", "ProtocolName") == Label(
                    region, "region", "ProtocolName", "synonym", " ".join(tokens(phrase)), "", None
                )

    @pytest.mark.parametrize("language", ["en", "de"])
    def test_is_meant_by_its_terms_words_in_the_vocabulary(self, region: str, language: str) -> None:
        phrases = [phrase for term in terms_of(region) for phrase in getattr(WORDS[term], language)]
        assert phrases
        for phrase in phrases:
            for text in (phrase, phrase.upper(), f"Rö_{phrase}_2E"):
                assert meant(of_text(text, "SeriesDescription")) == ("region", region), text


@pytest.mark.parametrize(("old", "new"), vocabulary().retired_codes.items())
def test_a_retired_code_means_what_replaced_it(old: str, new: str) -> None:
    label = of_codes(sct(old))
    assert (label.rule, label.matched) == ("retired_code", new)
    assert meant(label) == meant(of_codes(sct(new)))


@pytest.mark.parametrize(("old", "new"), vocabulary().retired_terms.items())
def test_a_retired_term_means_what_replaced_it(old: str, new: str) -> None:
    label = of_text(old)
    assert (label.rule, label.matched) == ("retired_term", old)
    assert meant(label) == meant(of_text(new))


@pytest.mark.parametrize(
    ("value", "scheme", "region"),
    [
        ("T-D8700", "SRT", "hand"),
        ("T-D9200", "SRT", "knee"),
        ("T-D6000", "SRT", "pelvis"),  # pydicom's table yields a code that is retired itself
        ("T-D8700", "SNM3", "hand"),
        ("T-D8700", "99SDM", "hand"),
        (" T-D9200 ", "srt ", "knee"),
    ],
)
def test_snomed_rt_codes_are_translated(value: str, scheme: str, region: str) -> None:
    label = of_codes(sct(value, scheme=scheme))
    assert (label.region, label.rule) == (region, "retired_code")


def test_an_unknown_code_is_read_by_its_meaning() -> None:
    label = of_codes(sct("X-17", "Kniegelenk rechts", "99LOCAL"))
    assert label == Label("knee", "region", CODED, "synonym", "kniegelenk", "", None)


@pytest.mark.parametrize(
    ("text", "attribute", "expected"),
    [
        ("CHEST", TERM, ("out_of_scope", TERM, "term", "CHEST")),
        ("Thorax pa", TERM, ("out_of_scope", TERM, "synonym", "thorax")),
        ("SKULL", TERM, ("out_of_scope", TERM, "term", "SKULL")),
        ("EXTREMITY", TERM, ("ambiguous", TERM, "term", "EXTREMITY")),
        ("Ganzbeinaufnahme", TERM, ("ambiguous", TERM, "synonym", "ganzbeinaufnahme")),
        ("Wirbelsäule", "StudyDescription", ("ambiguous", "StudyDescription", "synonym", "wirbelsaeule")),
        ("Hand und Handgelenk", TERM, ("ambiguous", TERM, "several", "hand + handgelenk")),
        ("Knie, OSG, Fuß", TERM, ("ambiguous", TERM, "several", "osg + fuss + knie")),
        ("XYZ", TERM, ("unmapped", TERM, "", "")),
        ("Handgelenkchen", TERM, ("unmapped", TERM, "", "")),
        ("XYZ", "StudyDescription", ("missing", "", "", "")),
        ("   ", TERM, ("missing", "", "", "")),
        ("", TERM, ("missing", "", "", "")),
    ],
)
def test_no_region_is_told_apart_by_why(text: str, attribute: str, expected: tuple[str, ...]) -> None:
    label = of_text(text, attribute)
    assert (label.status, label.attribute, label.rule, label.matched) == expected
    assert label.region is None


def test_an_empty_code_is_unmapped_and_an_empty_sequence_absent() -> None:
    assert of_codes(sct("")).status == "unmapped"
    assert of_codes().status == "missing"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("Handgelenk", "wrist"),
        ("Handwurzel", "wrist"),
        ("Mittelhand", "hand"),
        ("unteres Sprunggelenk", "foot"),
        ("oberes Sprunggelenk", "ankle"),
        ("distaler Radius", "wrist"),
        ("Radius", "forearm"),
        ("BWS LWS", "thoracolumbar_spine"),
        ("Extremität Hand", "hand"),
        ("Knie Knee KNIE", "knee"),
        ("Unterschenkel mit Sprunggelenksgabel", None),
    ],
)
def test_neighbouring_words_are_not_confused(text: str, region: str | None) -> None:
    assert of_text(text).region == region


@pytest.mark.parametrize(("better", "worse"), [*pairwise(LABEL_ATTRIBUTES)])
def test_the_better_attribute_decides_and_the_other_is_a_conflict(better: str, worse: str) -> None:
    codes = [sct("85562004")] if better == CODED else []
    label = resolve_label(codes, {better: "HAND", worse: "KNEE"}, OWN)
    assert (label.region, label.attribute) == ("hand", better)
    assert (label.conflict, label.conflict_region) == (worse, "knee")


@pytest.mark.parametrize("vague", ["EXTREMITY", "Hand Knie", "XYZ", ""])
def test_an_attribute_that_names_no_single_region_leaves_the_decision_to_the_next(vague: str) -> None:
    label = resolve_label([], {TERM: vague, "SeriesDescription": "Knie ap", "StudyDescription": "Kniegelenk"}, OWN)
    assert label == Label("knee", "region", "SeriesDescription", "synonym", "knie", "", None)


@pytest.mark.parametrize(
    ("texts", "decided", "conflict"),
    [
        ({TERM: "KNEE", "ProtocolName": "Patella", "StudyDescription": "Kniegelenk"}, ("region", "knee"), ("", None)),
        ({TERM: "KNEE", "ProtocolName": "Thorax"}, ("region", "knee"), ("ProtocolName", None)),
        ({TERM: "CHEST", "ProtocolName": "Knie"}, ("out_of_scope", None), ("ProtocolName", "knee")),
        ({TERM: "CHEST", "ProtocolName": "Schädel"}, ("out_of_scope", None), ("", None)),
        (
            {TERM: "KNEE", "ProtocolName": "EXTREMITY", "SeriesDescription": "Fuß"},
            ("region", "knee"),
            ("SeriesDescription", "foot"),
        ),
    ],
)
def test_a_conflict_is_another_region_and_nothing_less(
    texts: dict[str, str], decided: tuple[str, str | None], conflict: tuple[str, str | None]
) -> None:
    label = resolve_label([], texts, OWN)
    assert meant(label) == decided
    assert (label.conflict, label.conflict_region) == conflict


def test_two_codes_of_different_regions_are_a_conflict() -> None:
    label = of_codes(sct("85562004"), sct("74670003"))
    assert (label.region, label.conflict, label.conflict_region) == ("hand", CODED, "wrist")


def test_a_sites_classes_decide_what_a_label_means(tmp_path: Path) -> None:
    site = taxonomy_of(SITE_REGIONS, tmp_path)
    said = {text: resolve_label([], {TERM: text}, site).region for text in ("THUMB", "Daumen li", "GANZE WS", "BWS")}
    assert said == {"THUMB": "hand_wrist", "Daumen li": "hand_wrist", "GANZE WS": "spine_whole", "BWS": "spine_whole"}
    assert resolve_label([], {TERM: "ARM"}, site).region == "humerus_arm"


@given(st.sampled_from(LABEL_ATTRIBUTES[1:]), st.text(max_size=60))
def test_what_matched_is_never_free_text(attribute: str, text: str) -> None:
    known = {token for phrase in OWN.phrases for token in phrase} | set(OWN.terms) | set(OWN.retired_terms)
    label = of_text(f"{text} Knie", attribute)
    assert set(label.matched.replace(" + ", " ").split()) <= known


@given(st.text(alphabet="qxyz0189 _-", max_size=20), st.text(alphabet="qxyz0189 _-", max_size=20))
def test_unknown_words_around_a_known_one_change_nothing(before: str, after: str) -> None:
    assert meant(of_text(f"{before} Knie {after}")) == ("region", "knee")
