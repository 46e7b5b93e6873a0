"""The form of a UID (PS3.5 9.1)."""

from __future__ import annotations

import re

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST = 64


def is_valid_uid(text: str) -> bool:
    """Whether `text` is numbers separated by dots, at most 64 characters; leading zeros are common and accepted."""
    return len(text) <= _LONGEST and _UID.fullmatch(text) is not None
