"""From text to tokens: `Fuß`, `FUSS` and `fuss ` are the same word."""

from __future__ import annotations

import re
import unicodedata

Phrase = tuple[str, ...]
_SPELLED_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "&": " and "})
_TOKEN = re.compile(r"[a-z]+|[0-9]+")


def tokens(text: str) -> Phrase:
    """Split a label's text into whole tokens of letters or of digits.

    Case, umlauts (ä -> ae), ß, accents and `&` are normalised first, composed or decomposed. `KNIE_RE`, `Knie (re)` and
    `knie re` give ("knie", "re"); `Handgelenk` stays one token, so it never means `hand`.
    """
    composed = unicodedata.normalize("NFC", text).lower().translate(_SPELLED_OUT)
    plain = "".join(c for c in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(c))
    return tuple(_TOKEN.findall(plain.casefold()))
