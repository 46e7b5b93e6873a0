"""Selective accuracy: against a slow reference, and thresholds that are chosen on validation and evaluated on test."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.cli.init import template
from dagster_project.core.settings.settings import Settings, load_settings
from dagster_project.learning.ensembling.selective import (
    COVERAGES,
    Answers,
    evaluate_selective,
    risk_coverage,
    threshold_for,
)


@pytest.fixture
def settings() -> Settings:
    settings = load_settings(template("params.yaml"))
    return settings.model_copy(
        update={
            "ensembling": settings.ensembling.model_copy(update={"auto_label_accuracy": (0.9, 0.97)}),
            "evaluation": settings.evaluation.model_copy(update={"bootstrap": 100}),
        }
    )


def honest(seed: int, count: int = 2000) -> Answers:
    """Answers as often right as they say; confidences to two digits, so that many share one."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1, count).round(2)
    return Answers(confidence, (rng.random(count) < confidence).astype(float), np.arange(count) // 2)


def test_the_curve_is_that_of_counting_at_every_level() -> None:
    found = honest(0, 300)
    levels, risk, coverage = risk_coverage(found.confidence, found.right)
    assert levels.tolist() == sorted(set(found.confidence.tolist()), reverse=True)
    for level, r, c in zip(levels, risk, coverage, strict=True):
        sure = found.confidence >= level
        assert r == pytest.approx(1 - found.right[sure].mean())
        assert c == pytest.approx(sure.mean())


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95, 0.98])
def test_the_threshold_is_the_lowest_that_reaches_what_is_wanted(wanted: float) -> None:
    found = honest(1)
    least = 1 / (1 - wanted)

    def reaches(level: float) -> bool:
        sure = found.right[found.confidence >= level]
        return bool(len(sure) >= least - 1e-6 and sure.mean() >= wanted - 1e-9)

    good = [level for level in set(found.confidence.tolist()) if reaches(level)]
    assert threshold_for(wanted, found.confidence, found.right) == min(good)


def test_exactly_what_is_wanted_is_enough_whatever_the_rounding() -> None:
    right = np.ones(50)
    right[0] = 0
    assert threshold_for(0.98, np.full(50, 0.7), right) == 0.7


def test_few_images_prove_no_accuracy() -> None:
    assert threshold_for(0.98, np.full(49, 0.9), np.ones(49)) is None
    assert threshold_for(0.98, np.full(50, 0.9), np.ones(50)) == 0.9


def test_none_is_chosen_where_none_reaches_it(settings: Settings) -> None:
    wrong = Answers(np.linspace(0.5, 1, 200), np.zeros(200), np.arange(200))
    found = evaluate_selective(wrong, honest(2), settings)
    assert [(a.confidence, a.coverage, a.accuracy) for a in found.auto_label] == [(None, 0.0, None)] * 2


def test_coverage_takes_the_surest_and_intervals_hold_the_value(settings: Settings) -> None:
    test = honest(3)
    found = evaluate_selective(honest(4), test, settings)
    for coverage in COVERAGES:
        surest = np.argsort(-test.confidence, kind="stable")[: round(coverage * 2000)]
        interval = found.accuracy[coverage]
        assert interval.value == pytest.approx(test.right[surest].mean())
        assert interval.low < interval.value < interval.high
    assert found.accuracy[0.9].value > found.accuracy[0.99].value


def test_thresholds_come_from_validation_and_their_worth_from_test(settings: Settings) -> None:
    validation, test = honest(5), honest(6)
    spoilt = Answers(test.confidence, np.zeros_like(test.right), test.patients)
    for chosen, evaluated in zip(
        evaluate_selective(validation, test, settings).auto_label,
        evaluate_selective(validation, spoilt, settings).auto_label,
        strict=True,
    ):
        assert chosen.confidence == evaluated.confidence
        assert chosen.confidence == threshold_for(chosen.wanted, validation.confidence, validation.right)
        sure = test.confidence >= chosen.confidence
        assert chosen.coverage == pytest.approx(sure.mean())
        assert chosen.accuracy is not None
        assert chosen.accuracy.value == pytest.approx(test.right[sure].mean())
        assert abs(chosen.accuracy.value - chosen.wanted) < 0.03, "honest answers keep their word on test"
        assert evaluated.accuracy is not None
        assert evaluated.accuracy.value == 0
