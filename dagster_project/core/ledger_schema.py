"""The schema versions of ledger entries. Stored entries keep the names and values that were hashed.

Older entries are translated when they are read. Schema 1 has the columns `withdraws` and `model`, the verdicts
`withdrawn` and `cannot_tell`, and no value in `schema`. Schema 2 has today's names.
"""

from __future__ import annotations

import pandas as pd

from dagster_project.core.verdict_kinds import VerdictKind

SCHEMA = "2"
_FIRST = "1"
# Names in schema 1 -> today's names.
OLD_COLUMNS = {"withdraws": "retracts", "model": "model_version"}
_OLD_VERDICTS = {"withdrawn": VerdictKind.RETRACTED.value, "cannot_tell": VerdictKind.UNDETERMINED.value}


def unknown_schema(stored: pd.DataFrame) -> str:
    """The first schema version among the stored entries that this version cannot read; '' if it can read all."""
    if "schema" not in stored:
        return ""
    unknown = [version for version in stored["schema"] if version not in (None, "", _FIRST, SCHEMA)]
    return str(unknown[0]) if unknown else ""


def translated(stored: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The `columns` of stored entries of any schema, under today's names and values; '' for a missing value."""
    table = stored.reindex(columns=[*columns, *OLD_COLUMNS], fill_value="").fillna("")
    old = table["schema"].isin(["", _FIRST])
    for before, now in OLD_COLUMNS.items():
        table[now] = table[now].where(~old, table[before])
    table["verdict"] = table["verdict"].where(~old, table["verdict"].replace(_OLD_VERDICTS))
    table["schema"] = table["schema"].where(~old, _FIRST)
    return table[columns]
