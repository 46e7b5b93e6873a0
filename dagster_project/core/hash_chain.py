"""The chain of the ledger: each entry holds the hash of the one before, so that no entry can be changed unseen.

It shows that an entry was changed, removed or put in. It cannot show that the last ones were cut off, unless somebody
noted the last hash elsewhere, nor stop whoever writes the whole chain anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

CHAIN_COLUMNS = ["previous_hash", "entry_hash"]


def chained(rows: Sequence[Mapping[Any, str]], previous: str) -> list[dict[str, str]]:
    """The rows with their CHAIN_COLUMNS, the first of them following the entry with hash `previous` ('' for none)."""
    out = []
    for row in rows:
        entry = {**row, "previous_hash": previous, "entry_hash": _hash(row, previous)}
        previous = entry["entry_hash"]
        out.append(entry)
    return out


def first_break(ledger: pd.DataFrame) -> int | None:
    """Number (from 0) of the first entry that does not follow from the one before or was changed; None if whole."""
    contents, previous = ledger.drop(columns=CHAIN_COLUMNS), ""
    chain = zip(contents.to_dict("records"), ledger["previous_hash"], ledger["entry_hash"], strict=True)
    for number, (row, said, entry_hash) in enumerate(chain):
        if said != previous or entry_hash != _hash(row, previous):
            return number
        previous = entry_hash
    return None


def _hash(row: Mapping[Any, str], previous: str) -> str:
    """SHA-256 (hex). Empty values are left out, so that a later column does not break older entries."""
    content = {name: value for name, value in row.items() if value}
    text = json.dumps([previous, content], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
