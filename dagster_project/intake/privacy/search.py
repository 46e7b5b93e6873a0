"""Search bytes for many patterns at once (Aho-Corasick), and check which matches count."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ahocorasick_rs import BytesAhoCorasick

from dagster_project.intake.privacy.file_contents import BINARY, NUMBERS, TEXT, Piece
from dagster_project.intake.privacy.identities import PATH, Identity
from dagster_project.intake.privacy.search_patterns import SearchPatterns

_WORD = re.compile(rb"[0-9a-z]")
_ESCAPE = re.compile(rb"(\\[nrtbfv]|%[0-9a-f]{2}|\\u00[0-9a-f]{2}|\\x[0-9a-f]{2})$")  # a word may begin after it
_LONGEST_ESCAPE = 6


class Search:
    """Finds the patterns in pieces of files."""

    def __init__(self, patterns: SearchPatterns) -> None:
        kinds = {}
        for least in (TEXT, BINARY, NUMBERS):
            long_enough = [i for i, pattern in enumerate(patterns.spellings) if len(pattern) >= least]
            automaton = BytesAhoCorasick([patterns.spellings[i] for i in long_enough])
            kinds[least] = automaton, [patterns.owners[i] for i in long_enough]
        self._kinds = kinds

    def found(self, piece: Piece) -> Iterator[Identity]:
        """The identities in a piece; each as often as it occurs."""
        text = piece.data.lower()  # only ASCII; the patterns have other letters in both cases
        automaton, all_owners = self._kinds[piece.least]
        for number, start, end in automaton.find_matches_as_indexes(text, overlapping=True):
            owners = all_owners[number]
            if owners[0].kind == PATH or _on_its_own(text, start, end, number=text[start:end].isdigit()):
                yield from owners


def _on_its_own(text: bytes, start: int, end: int, *, number: bool) -> bool:
    """Whether text[start:end] is not part of a longer word, or of a longer or decimal number."""
    before, after = text[max(start - _LONGEST_ESCAPE, 0) : start], text[end : end + 2]
    if _WORD.match(before[-1:]) and not _ESCAPE.search(before):
        return False
    if _WORD.match(after):
        return False
    return not (number and (before.endswith(b".") or re.match(rb"\.\d", after)))
