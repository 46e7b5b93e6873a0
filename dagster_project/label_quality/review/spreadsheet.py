"""The worklist as a CSV to answer in a spreadsheet, and the answers back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dagster_project.core.atomic_io import write_text
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.external_answers import Answer, one_name, unreadable

_SHOWN = ("image_id", "rank", "kind", "score", "given", "proposed", "provenance", "batch")
_ANSWERED = ("image_id", "verdict", "region", "at")
_TOLD = ("model", "data_version", "given", "proposed")
_DO = f"give a CSV with the columns {', '.join(_ANSWERED)}"


def write_spreadsheet(worklist: Worklist, path: Path) -> None:
    """Write one row a card, with empty columns `verdict`, `region` and `at` for the answer.

    Cells that a spreadsheet would take for a formula get an apostrophe before them.
    """
    rows = pd.DataFrame([{name: card[name] for name in _SHOWN} for card in worklist.cards.values()], columns=_SHOWN)
    for name in ("given", "proposed", "provenance", "batch"):
        rows[name] = [f"'{text}" if str(text).startswith(("=", "+", "-", "@")) else text for text in rows[name]]
    rows = rows.assign(verdict="", region="", at="", model=worklist.model, data_version=worklist.data_version)
    write_text(path, rows.to_csv(index=False))


def read_spreadsheet(path: Path, reviewers: dict[str, str]) -> list[Answer]:
    """The answers of a CSV with the columns image_id, verdict, region, at; rows without a verdict are left out.

    Raises RayTruthError if it is no such file, or more than one reviewer is named.
    """
    name = one_name(reviewers, path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise unreadable(path, type(error).__name__, _DO) from None
    if lacking := [column for column in _ANSWERED if column not in table.columns]:
        raise unreadable(path, f"it lacks the column(s) {', '.join(lacking)}", _DO)
    answers = []
    for row in table[table["verdict"] != ""].to_dict("records"):
        answered, told = [row[column] for column in _ANSWERED], [row.get(column) for column in _TOLD]
        image_id, verdict, region, at = answered
        model, data, given, proposed = told
        key = "\0".join([name, *answered])
        answers.append(Answer(image_id, verdict, region, name, at, key, model or "", data or "", given, proposed))
    return answers
