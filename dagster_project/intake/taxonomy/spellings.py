"""More spellings of the vocabulary's words: English plurals, levels of the spine, heads and necks of bones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from dagster_project.intake.taxonomy.tokens import Phrase, tokens
from dagster_project.intake.taxonomy.vocabulary import Vocabulary

_SHORTEST_PLURAL = 5  # letters of a single word; shorter plurals are listed: `elles` and `alas` are other words


def english(phrase: str) -> list[Phrase]:
    """An English phrase and its plural: `shoulder` gives ("shoulder",) and ("shoulders",)."""
    words = tokens(phrase)
    if words[-1].endswith("s") or (len(words) == 1 and len(words[0]) < _SHORTEST_PLURAL):
        return [words]
    return [words, (*words[:-1], words[-1] + "s")]


def spine_levels(words: Vocabulary, meaning: dict[str, str]) -> Iterator[tuple[Phrase, str]]:
    """Each sequence of two to four level letters before `spine`, and its meaning.

    `meaning` maps terms to a class, AMBIGUOUS or OUT_OF_SCOPE. Two neighbouring levels mean their junction (`T/L
    SPINE`). Other sequences, and two levels joined by `and`, have the common meaning of their levels, or mean the whole
    spine if the levels differ.
    """
    for count in (2, 3, 4):
        for letters in permutations(words.spine_levels, count):
            levels = {meaning[words.spine_levels[letter]] for letter in letters}
            common = levels.pop() if len(levels) == 1 else meaning["SPINE"]
            junction = words.spine_junctions.get(" ".join(letters))
            yield (*letters, "spine"), meaning[junction] if junction else common
            yield (*letters[:-1], "and", letters[-1], "spine"), common


def bone_parts(words: Vocabulary) -> Iterator[tuple[Phrase, str]]:
    """Each bone with head or neck, and the term for the region of that part: ("femoral", "neck"), "HIP"."""
    for term, bones in words.bones.items():
        for bone in bones:
            for part in words.bone_parts:
                yield (bone, part), term
