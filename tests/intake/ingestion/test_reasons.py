"""Reason codes: one list, and the verdict that a file's reasons amount to."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.intake.ingestion.headers.reasons import QUARANTINE, REASONS, SKIP, WARN, RefusedFile, verdict_of

CODES = st.lists(st.sampled_from(sorted(REASONS)), max_size=5)


def test_a_code_stands_in_one_group_only() -> None:
    assert len(REASONS) == len(SKIP) + len(QUARANTINE) + len(WARN)


@pytest.mark.parametrize("code", REASONS)
def test_a_code_can_be_joined_by_semicolons_and_has_a_meaning(code: str) -> None:
    assert re.fullmatch("[a-z0-9_]+", code)
    assert REASONS[code]


@pytest.mark.parametrize(
    ("reasons", "verdict"),
    [
        ([], "accept"),
        (["monochrome1"], "accept_warn"),
        (["monochrome1", "colour"], "skip"),
        (["colour", "constant"], "quarantine"),
        (["constant", "signed"], "quarantine"),
    ],
)
def test_the_gravest_reason_decides(reasons: list[str], verdict: str) -> None:
    assert verdict_of(reasons) == verdict


@given(CODES)
def test_the_verdict_does_not_depend_on_the_order(reasons: list[str]) -> None:
    assert verdict_of(reasons) == verdict_of(reasons[::-1]) == verdict_of(sorted(set(reasons)))


@given(CODES)
def test_a_file_is_accepted_just_if_every_reason_is_a_warning(reasons: list[str]) -> None:
    assert verdict_of(reasons).startswith("accept") == all(reason in WARN for reason in reasons)


def test_a_refusal_says_its_code_alone_also_after_a_way_through_another_process() -> None:
    refusal = pickle.loads(pickle.dumps(RefusedFile("constant")))  # noqa: S301 - what the pool does
    assert (str(refusal), refusal.reason) == ("constant", "constant")
