"""How long no error was found."""

from __future__ import annotations

import pandas as pd
import pytest

from dagster_project.core.verdict_kinds import VerdictKind
from dagster_project.label_quality.review.stopping_rule import STOP_AFTER, expected_errors, run_without_error

RIGHT, WRONG, DOMAIN, TWO, TELL, BACK = VerdictKind


def ledger(*said: tuple[str, str]) -> pd.DataFrame:
    """Entries of (image, verdict); BACK retracts the entry before."""
    entries = [
        (image, verdict, f"v{i}", f"v{i - 1}" if verdict == BACK else "") for i, (image, verdict) in enumerate(said)
    ]
    return pd.DataFrame(entries, columns=["image_id", "verdict", "verdict_id", "retracts"])


@pytest.mark.parametrize(
    ("said", "run"),
    [
        ([], 0),
        ([("a", RIGHT), ("b", TWO)], 2),
        ([("a", RIGHT), ("b", WRONG), ("c", RIGHT)], 1),
        ([("a", RIGHT), ("b", DOMAIN)], 0),
        ([("a", RIGHT), ("b", TELL), ("c", RIGHT)], 2),
        ([("a", WRONG), ("a", BACK), ("b", RIGHT), ("a", RIGHT)], 2),
        ([("a", WRONG), ("b", RIGHT), ("a", WRONG)], 1),
        ([("a", RIGHT), ("b", RIGHT), ("c", RIGHT), ("a", RIGHT)], 3),
        ([("a", RIGHT), ("b", RIGHT), ("c", RIGHT), ("b", WRONG)], 1),
        ([("a", WRONG), ("b", RIGHT), ("a", RIGHT)], 2),
    ],
)
def test_the_run_counts_images_in_the_order_they_were_first_decided(said: list, run: int) -> None:
    assert run_without_error(ledger(*said)) == run


def test_a_run_as_long_as_the_stop_rule_asks_is_rare_where_one_in_twenty_labels_is_wrong() -> None:
    assert 0.049 < 0.95**STOP_AFTER < 0.052


def test_expected_errors_are_the_sum_of_probabilities() -> None:
    assert expected_errors([0.5, 0.25, 0]) == 0.75
    assert expected_errors([]) == 0
