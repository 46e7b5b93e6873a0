"""The hash chain of the ledger: each entry holds the hash of the entry before, so that a change is noticed.

The chain shows that an entry was changed, removed or inserted. It does not show that the last entries were cut off, or
that somebody recomputed the whole chain. A hash that was noted elsewhere shows that entries were cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

CHAIN_COLUMNS = ["previous_hash", "entry_hash"]


def chained(rows: Sequence[Mapping[Any, str]], previous: str) -> list[dict[str, str]]:
    """The rows with their CHAIN_COLUMNS. The first row follows the entry with the hash `previous` ('' for none)."""
    out = []
    for row in rows:
        entry = {**row, "previous_hash": previous, "entry_hash": _hash(row, previous)}
        previous = entry["entry_hash"]
        out.append(entry)
    return out


def first_break(ledger: pd.DataFrame) -> int | None:
    """Number (from 0) of the first entry that was changed or does not follow the entry before; None if all are fine."""
    contents, previous = ledger.drop(columns=CHAIN_COLUMNS), ""
    chain = zip(contents.to_dict("records"), ledger["previous_hash"], ledger["entry_hash"], strict=True)
    for number, (row, stated, entry_hash) in enumerate(chain):
        if stated != previous or entry_hash != _hash(row, previous):
            return number
        previous = entry_hash
    return None


def _hash(row: Mapping[Any, str], previous: str) -> str:
    """SHA-256 (hex) of the values under their column names, without empty values: a new column changes no hash."""
    content = {name: value for name, value in row.items() if value}
    text = json.dumps([previous, content], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
