"""From an image's label texts and codes to one region, with the attribute and rule that gave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydicom.sr._snomed_dict import mapping as _snomed_mapping  # pydicom has no public SNOMED RT table

from dagster_project.intake.taxonomy.taxonomy import AMBIGUOUS, OUT_OF_SCOPE, Taxonomy
from dagster_project.intake.taxonomy.tokens import tokens
from dagster_project.intake.taxonomy.vocabulary import vocabulary
from dagster_project.intake.taxonomy.wording import (
    joined_pairs,
    not_excluded,
    part_behind_bone,
    phrases_in,
    without_affixes,
)

Status = Literal["region", "out_of_scope", "ambiguous", "unmapped", "missing"]
Rule = Literal["code", "retired_code", "term", "retired_term", "synonym", "several", ""]

# Best first. All come from one choice at the console, so agreement between them is not independent evidence.
CODED_ATTRIBUTE = "AnatomicRegionSequence"
TERM_ATTRIBUTE = "BodyPartExamined"
TEXT_ATTRIBUTES = (
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "SeriesDescription",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)
LABEL_ATTRIBUTES = (CODED_ATTRIBUTE, TERM_ATTRIBUTE, *TEXT_ATTRIBUTES)


@dataclass(frozen=True)
class Reading:
    """The meaning of one attribute. `matched` is a word of the vocabulary or a code, never free text."""

    attribute: str
    status: Status
    region: str | None
    rule: Rule
    matched: str


@dataclass(frozen=True)
class Label:
    """An image's given label.

    `status`: `region` (one of the classes), `out_of_scope` (a known region outside the classes), `ambiguous` (no single
    region), `unmapped` (the coded region or BodyPartExamined is filled, but has no known word), `missing` (neither is
    filled, and no other text names a region).
    `conflict` is the attribute that names another region, or ''.
    """

    region: str | None
    status: Status
    attribute: str
    rule: Rule
    matched: str
    conflict: str
    conflict_region: str | None


@dataclass(frozen=True)
class Code:
    """A coded concept as written in the header."""

    value: str
    scheme: str
    meaning: str


def resolve_label(codes: Iterable[Code], texts: dict[str, str], taxonomy: Taxonomy) -> Label:
    """Resolve an image's label.

    `codes` are the items of AnatomicRegionSequence; `texts` maps BodyPartExamined and TEXT_ATTRIBUTES to their text.
    The first attribute, in the order of LABEL_ATTRIBUTES, that names a region (inside or outside the classes) decides.
    The first later attribute that names another region is recorded as a conflict.
    """
    readings = [_read_code(code, taxonomy) for code in codes]
    readings += [
        _read_text(name, texts[name], taxonomy) for name in LABEL_ATTRIBUTES[1:] if texts.get(name, "").strip()
    ]
    decided = [r for r in readings if r.status in ("region", "out_of_scope")]
    if decided:
        first = decided[0]
        other = next((r for r in decided[1:] if r.region != first.region), None)
        return Label(
            first.region,
            first.status,
            first.attribute,
            first.rule,
            first.matched,
            other.attribute if other else "",
            other.region if other else None,
        )
    vague = next((r for r in readings if r.status == "ambiguous"), None)
    if vague:
        return Label(None, "ambiguous", vague.attribute, vague.rule, vague.matched, "", None)
    labelled = [r for r in readings if r.attribute in (CODED_ATTRIBUTE, TERM_ATTRIBUTE)]
    status: Status = "unmapped" if labelled else "missing"
    return Label(None, status, labelled[0].attribute if labelled else "", "", "", "", None)


def _read_code(code: Code, taxonomy: Taxonomy) -> Reading:
    value = code.value.strip()
    rule: Rule = "code"
    if code.scheme.strip().upper() in ("SRT", "SNM3", "99SDM"):
        value, rule = _snomed_mapping["SRT"].get(value, value), "retired_code"
    if value in taxonomy.retired_codes:
        value, rule = taxonomy.retired_codes[value], "retired_code"
    if value in taxonomy.codes:
        return _reading(CODED_ATTRIBUTE, taxonomy.codes[value], rule, value)
    return _read_text(CODED_ATTRIBUTE, code.meaning, taxonomy)


def _read_text(attribute: str, text: str, taxonomy: Taxonomy) -> Reading:
    if attribute == TERM_ATTRIBUTE:
        term = text.strip().upper()
        if term in taxonomy.terms:
            return _reading(attribute, taxonomy.terms[term], "term", term)
        if term in taxonomy.retired_terms:
            return _reading(attribute, taxonomy.terms[taxonomy.retired_terms[term]], "retired_term", term)
    words = vocabulary()
    spelled = part_behind_bone(tokens(text), words)
    if attribute == TERM_ATTRIBUTE:  # other texts may contain a person's name, such as Handl
        spelled = without_affixes(spelled, taxonomy.phrases, words)
    found = not_excluded(phrases_in(spelled, taxonomy.phrases, taxonomy.joined, taxonomy.longest), spelled, words)
    meanings = {taxonomy.phrases[f.phrase]: " ".join(f.phrase) for f in reversed(found)}
    places = [m for m in meanings if m != AMBIGUOUS]
    if len(places) > 1:
        return Reading(attribute, "ambiguous", None, "several", " + ".join(meanings[p] for p in sorted(places)))
    for pair in joined_pairs(found, spelled, words):
        if [taxonomy.phrases[phrase] for phrase in pair].count(AMBIGUOUS) == 1:
            return Reading(attribute, "ambiguous", None, "several", " + ".join(map(" ".join, pair)))
    for meaning in (*places, AMBIGUOUS):  # `Extremity hand` means hand
        if meaning in meanings:
            return _reading(attribute, meaning, "synonym", meanings[meaning])
    return Reading(attribute, "unmapped", None, "", "")


def _reading(attribute: str, meaning: str, rule: Rule, matched: str) -> Reading:
    if meaning == AMBIGUOUS:
        return Reading(attribute, "ambiguous", None, rule, matched)
    if meaning == OUT_OF_SCOPE:
        return Reading(attribute, "out_of_scope", None, rule, matched)
    return Reading(attribute, "region", meaning, rule, matched)
