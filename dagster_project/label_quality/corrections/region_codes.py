"""A region class as one code and defined term, for corrected objects (PS3.16 Annex L, Table L-1)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dagster_project.core.errors import RayTruthError
from dagster_project.intake.taxonomy.taxonomy import Taxonomy
from dagster_project.intake.taxonomy.tokens import tokens
from dagster_project.intake.taxonomy.vocabulary import vocabulary

# Terms of Table L-1 that are not marked as paired structures.
UNPAIRED = {
    *("PELVIS", "SSPINE", "COCCYX", "CSPINE", "CTSPINE", "TSPINE", "TLSPINE", "LSPINE", "LSSPINE", "SPINE", "BACK"),
    *("SKULL", "HEAD", "JAW", "MANDIBLE", "MAXILLA", "NOSE", "FACE", "SELLA", "CHEST", "THORAX", "STERNUM"),
    *("ABDOMEN", "CHESTABDOMEN", "WHOLEBODY", "JOINT", "PELVISLOWEXTREMT"),
}


@dataclass(frozen=True)
class RegionCode:
    """AnatomicRegionSequence (`code`), BodyPartExamined (`term`), and whether the body has a left and a right one."""

    code: Code
    term: str
    paired: bool


def code_of(region: str, taxonomy: Taxonomy) -> RegionCode:
    """The code of a class: of its only term, or of the term that matches the name of the class.

    A class of thoracic and lumbar spine must not become "thoracic spine" because that term comes first.
    Raises RayTruthError if the class has several terms and its name matches none of them.
    """
    terms = {term: code for term, code in _own_terms(region, taxonomy).items() if term in _words()}
    if len(terms) > 1:
        name = tokens(region.replace("_", " "))
        terms = {term: code for term, code in terms.items() if name in _words()[term]}
    if len(terms) != 1:
        raise RayTruthError(
            f"The class {region} has no single code that covers it",
            where="regions.yaml",
            do="rename the class to one of its terms in PS3.16 Annex L",
        )
    ((term, value),) = terms.items()
    return RegionCode(Code(value, "SCT", _meaning(term, value)), term, term not in UNPAIRED)


def _own_terms(region: str, taxonomy: Taxonomy) -> dict[str, str]:
    known = vocabulary().terms | vocabulary().ambiguous
    named = {term: known[term].code for term, meant in taxonomy.terms.items() if meant == region and term in known}
    return {term: code for term, code in named.items() if taxonomy.codes.get(code) == region}


def _words() -> dict[str, set]:
    known = vocabulary().terms | vocabulary().ambiguous
    return {term: {tokens(phrase) for phrase in (term, *meant.en)} for term, meant in known.items()}


def _meaning(term: str, value: str) -> str:
    """The meaning in CID 4031 (Common Anatomic Regions), else in the vocabulary."""
    for name in codes.cid4031.trait_names():
        concept = getattr(codes.cid4031, name)
        if concept.value == value and concept.scheme_designator == "SCT":
            return str(concept.meaning)
    known = vocabulary().terms | vocabulary().ambiguous
    return known[term].en[0].capitalize()
