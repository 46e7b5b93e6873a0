"""When to stop: the number of images without an error since the last one, and the expected number of errors."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dagster_project.core.ledger import current_verdicts
from dagster_project.core.verdict_kinds import DECIDING, ERRORS

STOP_AFTER = 58  # images in a row without an error; 0.95 ** 58 = 0.05: with 95 % confidence fewer than 5 % are wrong


def run_without_error(verdicts: pd.DataFrame) -> int:
    """How many images were decided since the last one whose label was wrong.

    `verdicts` are entries of the ledger, oldest first. An image keeps the place of its first decision and has the
    outcome of its latest one: a second review neither lengthens a run nor ends it, unless it finds a new error.
    """
    current = current_verdicts(verdicts)
    decided = current[current["verdict"].isin(DECIDING)]
    latest = decided.drop_duplicates("image_id", keep="last").set_index("image_id")["verdict"]
    wrong = [latest[image_id] in ERRORS for image_id in decided["image_id"].unique()]
    return wrong[::-1].index(True) if True in wrong else len(wrong)


def expected_errors(probabilities: Iterable[float]) -> float:
    """The expected number of wrong labels; `probabilities`, in 0..1, that each label is wrong."""
    return float(sum(probabilities))
