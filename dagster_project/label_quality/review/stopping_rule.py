"""What reading on is worth: how long no error was found, and how many are still expected."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dagster_project.core.ledger import standing
from dagster_project.label_quality.review.reader_assignment import ERRORS, UNDECIDED

STOP_AFTER = 58  # in a row without an error: 0.95 ** 58 = 0.05, so that with 95 % confidence under 5 % are still wrong


def run_without_error(verdicts: pd.DataFrame) -> int:
    """How many images were decided since the last one whose label was wrong.

    `verdicts` are entries of the ledger, oldest first. An image stands where it was first decided, with the latest
    word on it: a second reading neither lengthens a run nor ends it, unless it finds an error where none was found.
    """
    stands = standing(verdicts)
    decided = stands[stands["verdict"] != UNDECIDED]
    latest = decided.drop_duplicates("image_id", keep="last").set_index("image_id")["verdict"]
    wrong = [latest[image_id] in ERRORS for image_id in decided["image_id"].unique()]
    return wrong[::-1].index(True) if True in wrong else len(wrong)


def expected_errors(probabilities: Iterable[float]) -> float:
    """How many of some labels are wrong on average; `probabilities`, in 0..1, say how likely each is."""
    return float(sum(probabilities))
