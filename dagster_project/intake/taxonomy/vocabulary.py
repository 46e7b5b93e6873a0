"""vocabulary.yaml, typed: the meaning of DICOM, English and German words, the same for every site."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

_VOCABULARY = Path(__file__).with_name("vocabulary.yaml")


class Term(BaseModel):
    """A DICOM defined term: SNOMED CT code, other current codes, the larger region, and words in both languages."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: str
    also: list[str] = []
    within: str | None = None
    en: list[str]
    de: list[str]


class Wording(BaseModel):
    """Words next to a region's word that change the meaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    of: frozenset[str]
    between: frozenset[str]
    negations: frozenset[str]
    joiners: frozenset[str]
    affixes: list[str]


class Vocabulary(BaseModel):
    """The content of vocabulary.yaml, which no site changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    terms: dict[str, Term]
    ambiguous: dict[str, Term]
    spine_levels: dict[str, str]
    spine_junctions: dict[str, str]
    bone_parts: list[str]  # in one order: a batch is ingested again if the taxonomy looks different
    bones: dict[str, list[str]]
    wording: Wording
    retired_terms: dict[str, str]
    retired_codes: dict[str, str]

    @cached_property
    def bone_words(self) -> frozenset[str]:
        """The names of all bones with a known head or neck."""
        return frozenset(bone for bones in self.bones.values() for bone in bones)


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """RayTruth's table of terms, codes and words."""
    return Vocabulary.model_validate(yaml.safe_load(_VOCABULARY.read_text(encoding="utf-8")))
