"""The worklist as a CSV for a spreadsheet, and the answers from it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dagster_project.core.atomic_io import write_text
from dagster_project.label_quality.review.cards import Worklist
from dagster_project.label_quality.review.external_answers import Answer, check_version, one_name, unreadable

_SHOWN = ("image_id", "rank", "kind", "error_probability", "given_region", "proposed_region", "provenance", "batch")
_ANSWERED = ("image_id", "verdict", "region", "at")
_SOURCES = ("model_version", "data_version", "given_region", "proposed_region")
_DO = f"give a CSV with the columns {', '.join(_ANSWERED)}"


def write_spreadsheet(worklist: Worklist, path: Path) -> None:
    """Write one row a card, with empty columns `verdict`, `region` and `at` for the answer.

    Cells that a spreadsheet would take for a formula get a leading apostrophe.
    """
    rows = pd.DataFrame([{name: card[name] for name in _SHOWN} for card in worklist.cards.values()], columns=_SHOWN)
    for name in ("given_region", "proposed_region", "provenance", "batch"):
        rows[name] = [f"'{text}" if str(text).startswith(("=", "+", "-", "@")) else text for text in rows[name]]
    rows = rows.assign(verdict="", region="", at="")
    rows = rows.assign(model_version=worklist.model_version, data_version=worklist.data_version)
    write_text(path, rows.to_csv(index=False))


def read_spreadsheet(path: Path, reviewers: dict[str, str]) -> list[Answer]:
    """The answers of a CSV with the columns image_id, verdict, region, at; rows without a verdict are left out.

    Raises RayTruthError if the file is not such a CSV, or more than one reviewer is named.
    """
    name = one_name(reviewers, path)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise unreadable(path, type(error).__name__, _DO) from None
    if lacking := [column for column in _ANSWERED if column not in table.columns]:
        raise unreadable(path, f"the columns {', '.join(lacking)} are missing", _DO)
    check_version(table.columns, path)
    answers = []
    for row in table[table["verdict"] != ""].to_dict("records"):
        answered, shown = [row[column] for column in _ANSWERED], [row.get(column) for column in _SOURCES]
        image_id, verdict, region, at = answered
        model, data, given, proposed = shown
        answer_id = "\0".join([name, *answered])
        answers.append(Answer(image_id, verdict, region, name, at, answer_id, model or "", data or "", given, proposed))
    return answers
