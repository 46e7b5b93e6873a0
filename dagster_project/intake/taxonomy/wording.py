"""The known phrases in a label's text, and the phrases that the text excludes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from dagster_project.intake.taxonomy.tokens import Phrase
from dagster_project.intake.taxonomy.vocabulary import Vocabulary

_SHORTEST_JOINED = 5  # letters; `A.L.A.` or a person's initials may spell a shorter word by chance
_SHORTEST_AFFIXED = 3


class Found(NamedTuple):
    """A known phrase and its position: tokens `start` to `stop`."""

    phrase: Phrase
    start: int
    stop: int


def without_spaces(phrases: Mapping[Phrase, str]) -> dict[str, Phrase]:
    """The phrases by their letters without spaces, so that `frog leg`, `frogleg` and `frog-leg` are the same."""
    joined: dict[str, Phrase] = {}
    for phrase in sorted(phrases, key=len):
        letters = "".join(phrase)
        if len(letters) >= _SHORTEST_JOINED:
            joined.setdefault(letters, phrase)
    return joined


def phrases_in(text: Phrase, known: Mapping[Phrase, str], joined: Mapping[str, Phrase], longest: int) -> list[Found]:
    """Find the known phrases in `text` from left to right, without overlap, the longest phrase first at each position.

    `joined`: from without_spaces. `longest`: the maximum number of tokens in a phrase.
    """
    found, start = [], 0
    while start < len(text):
        for length in range(min(longest, len(text) - start), 0, -1):
            spelled = text[start : start + length]
            phrase = spelled if spelled in known else joined.get("".join(spelled))
            if phrase:
                found.append(Found(phrase, start, start + length))
                start += length
                break
        else:
            start += 1
    return found


def part_behind_bone(text: Phrase, words: Vocabulary) -> Phrase:
    """Turn `neck of the left femur` into `femur neck`; for an unknown bone, the part is left out.

    Otherwise `neck of talus` would mean the neck.
    """
    found: list[str] = []
    at = 0
    while at < len(text):
        following = text[at + 1] if at + 1 < len(text) else ""
        if text[at] not in words.bone_parts or following not in words.wording.of:
            found.append(text[at])
            at += 1
            continue
        bone = at + 2
        while bone < len(text) and (text[bone] in words.wording.between or text[bone].isdigit()):
            bone += 1
        found += text[bone : bone + 1]
        if bone < len(text) and text[bone] in words.bone_words:
            found.append(text[at])
        at = bone + 1
    return tuple(found)


def without_affixes(text: Phrase, known: Mapping[Phrase, str], words: Vocabulary) -> Phrase:
    """Split words from an attached side or view: `RTKNEE`, `HANDPA`, `LHIP`."""
    return tuple(word for token in text for word in _parted(token, known, words.wording.affixes))


def _parted(token: str, known: Mapping[Phrase, str], affixes: list[str]) -> Iterator[str]:
    for affix in () if (token,) in known else affixes:
        before, after = token.removesuffix(affix), token.removeprefix(affix)
        if after != token and len(after) >= _SHORTEST_AFFIXED and (after,) in known:
            yield from (affix, after)
            return
        # A single letter after a word can make another word: `alar` is not right `Ala`, `orbital` is not left orbit.
        if before != token and len(before) >= _SHORTEST_AFFIXED and len(affix) > 1 and (before,) in known:
            yield from (before, affix)
            return
    yield token


def not_excluded(found: list[Found], text: Phrase, words: Vocabulary) -> list[Found]:
    """The phrases that do not directly follow a negation, such as `not hand` or `ohne Hand`."""
    negations = words.wording.negations
    return [f for f in found if not any(" ".join(text[max(f.start - n, 0) : f.start]) in negations for n in (1, 2))]


def joined_pairs(found: list[Found], text: Phrase, words: Vocabulary) -> Iterator[tuple[Phrase, Phrase]]:
    """Neighbouring phrases with only `and` or a similar word between them."""
    for first, second in pairwise(found):
        between = text[first.stop : second.start]
        if between and words.wording.joiners.issuperset(between):
            yield first.phrase, second.phrase
