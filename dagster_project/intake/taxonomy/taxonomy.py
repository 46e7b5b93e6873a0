"""The region classes of a root, joined with the meaning of DICOM terms, codes and common words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.taxonomy.spellings import bone_parts, english, spine_levels
from dagster_project.intake.taxonomy.tokens import Phrase, tokens
from dagster_project.intake.taxonomy.vocabulary import Vocabulary, vocabulary
from dagster_project.intake.taxonomy.wording import without_spaces

AMBIGUOUS = "(ambiguous)"  # meaning of a word that names no single region
OUT_OF_SCOPE = "(out_of_scope)"  # meaning of a word for a region outside the classes


class RegionClass(BaseModel):
    """One class of regions.yaml. `synonyms` may be a list, or lists by language."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    terms: Annotated[dict[str, Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    synonyms: list[str] | dict[str, list[str]] = []

    @property
    def phrases(self) -> list[str]:
        """All synonyms, in every language."""
        return (
            self.synonyms if isinstance(self.synonyms, list) else [p for words in self.synonyms.values() for p in words]
        )


@dataclass(frozen=True)
class Taxonomy:
    """The meaning of every code, term and phrase: the name of a class, AMBIGUOUS or OUT_OF_SCOPE.

    `regions` is in the order of regions.yaml; the index of a class is its number in every model.
    `joined` maps letters without spaces to a phrase.
    """

    regions: tuple[str, ...]
    codes: dict[str, str]
    terms: dict[str, str]
    phrases: dict[Phrase, str]
    joined: dict[str, Phrase]
    retired_codes: dict[str, str]
    retired_terms: dict[str, str]

    @cached_property
    def longest(self) -> int:
        """The number of tokens in the longest phrase."""
        return max(map(len, self.phrases), default=0)


def load_taxonomy(path: Path) -> Taxonomy:
    """Read regions.yaml and join it with the vocabulary.

    A word of the vocabulary means the class that lists its term; otherwise the nearest larger region that a class lists
    (a thumb is a hand if no class lists THUMB). The synonyms of a class take precedence over the vocabulary.
    Raises RayTruthError if the file is missing or malformed, has fewer than two classes, or gives one term, code or
    synonym to two classes.
    """
    classes = _read(path)
    words = vocabulary()
    terms: dict[str, str] = {}
    codes: dict[str, str] = {}
    phrases: dict[Phrase, str] = {}
    for region, definition in classes.items():
        for term, code in definition.terms.items():
            _claim(terms, term.upper(), region, "term", term, path)
            _claim(codes, code, region, "SNOMED CT code", code, path)
        for phrase in definition.phrases:
            _claim(phrases, tokens(phrase), region, "synonym", phrase, path)
    for known, default in ((words.terms, OUT_OF_SCOPE), (words.ambiguous, AMBIGUOUS)):
        for name, meant in known.items():
            meaning = terms.setdefault(name, _enclosing_class(name, classes, words) or default)
            for code in filter(None, (meant.code, *meant.also)):
                codes.setdefault(code, meaning)
            spellings = [tokens(phrase) for phrase in (name, *meant.de)]
            spellings += [spelling for phrase in meant.en for spelling in english(phrase)]
            for spelling in spellings:
                # A word that belongs to two terms of the vocabulary means the term that is a class.
                if phrases.get(spelling, OUT_OF_SCOPE) in (OUT_OF_SCOPE, AMBIGUOUS):
                    phrases[spelling] = meaning
    joined = without_spaces(phrases)  # before the levels: `LT SPINE` is not `L/T SPINE`
    for spelling, meaning in spine_levels(words, terms):
        phrases.setdefault(spelling, meaning)
    for spelling, term in bone_parts(words):
        phrases.setdefault(spelling, terms[term])
    return Taxonomy(tuple(classes), codes, terms, phrases, joined, words.retired_codes, words.retired_terms)


def _read(path: Path) -> dict[str, RegionClass]:
    do = "write class -> terms (DICOM term: SNOMED CT code) and synonyms, as in the file that `raytruth init` creates"
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
        classes = TypeAdapter(dict[name, RegionClass]).validate_python(values)
    except FileNotFoundError:
        raise RayTruthError(
            "The regions file is missing",
            where=str(path),
            do="create the file, or set another file as `regions` in params.yaml",
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RayTruthError(f"The regions file is not valid YAML in UTF-8: {error}", where=str(path), do=do) from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise RayTruthError(f"The regions file is malformed: {problems}", where=str(path), do=do) from None
    if len(classes) < 2:
        raise RayTruthError(
            f"The regions file has {len(classes)} class(es); at least two are needed", where=str(path), do=do
        )
    return classes


def _enclosing_class(term: str, classes: dict[str, RegionClass], words: Vocabulary) -> str | None:
    listed = {t.upper(): region for region, definition in classes.items() for t in definition.terms}
    within: str | None = term
    while within and within not in listed:
        within = words.terms[within].within if within in words.terms else None
    return listed[within] if within else None


def _claim(table: dict[Any, str], key: Any, region: str, kind: str, spelled: str, path: Path) -> None:
    owner = table.setdefault(key, region)
    if owner != region:
        raise RayTruthError(
            f"The {kind} {spelled!r} is in two classes: {owner} and {region}",
            where=str(path),
            do=f"remove the {kind} from one of the classes",
        )
