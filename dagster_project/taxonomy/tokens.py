"""Text to tokens, so that `Fuß`, `FUSS` and `fuss ` are one word."""

from __future__ import annotations

import re
import unicodedata

Phrase = tuple[str, ...]
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_TOKEN = re.compile(r"[a-z]+|[0-9]+")


def tokens(text: str) -> Phrase:
    """Split a label's text into whole tokens of letters or of digits.

    Case, umlauts (ä -> ae), ß and accents are normalised first, composed or not. `KNIE_RE`, `Knie (re)` and `knie re`
    give ("knie", "re"); `Handgelenk` stays one token, so that it never means `hand`.
    """
    composed = unicodedata.normalize("NFC", text).lower().translate(_UMLAUTS)
    plain = "".join(c for c in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(c))
    return tuple(_TOKEN.findall(plain.casefold()))


def phrases_in(text: Phrase, known: dict[Phrase, str], longest: int) -> list[Phrase]:
    """Find the known phrases in `text`, left to right, the longest first at each place, none overlapping another.

    `longest`: how many tokens the longest of `known` has.
    """
    found, start = [], 0
    while start < len(text):
        for length in range(min(longest, len(text) - start), 0, -1):
            phrase = text[start : start + length]
            if phrase in known:
                found.append(phrase)
                start += length
                break
        else:
            start += 1
    return found
