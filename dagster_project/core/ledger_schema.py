"""The versions of a ledger entry. Entries keep the names and values that they were hashed under; reading translates.

Schema 1, whose entries say no schema, had the columns `withdraws` and `model`, and the verdicts `withdrawn` and
`cannot_tell`. Schema 2 has their names of today.
"""

from __future__ import annotations

import pandas as pd

from dagster_project.core.verdict_kinds import VerdictKind

SCHEMA = "2"
_FIRST = "1"
# What schema 1 calls the columns and the kinds that were renamed since.
OLD_COLUMNS = {"withdraws": "retracts", "model": "model_version"}
_OLD_VERDICTS = {"withdrawn": VerdictKind.RETRACTED.value, "cannot_tell": VerdictKind.UNDETERMINED.value}


def unknown_schema(stored: pd.DataFrame) -> str:
    """The first schema version among stored entries that this version cannot read; '' if it reads all."""
    if "schema" not in stored:
        return ""
    unknown = [version for version in stored["schema"] if version not in (None, "", _FIRST, SCHEMA)]
    return str(unknown[0]) if unknown else ""


def translated(stored: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Stored entries of any schema under the names and values of today; `columns` says which, '' for nothing."""
    table = stored.reindex(columns=[*columns, *OLD_COLUMNS], fill_value="").fillna("")
    old = table["schema"].isin(["", _FIRST])
    for before, now in OLD_COLUMNS.items():
        table[now] = table[now].where(~old, table[before])
    table["verdict"] = table["verdict"].where(~old, table["verdict"].replace(_OLD_VERDICTS))
    table["schema"] = table["schema"].where(~old, _FIRST)
    return table[columns]
