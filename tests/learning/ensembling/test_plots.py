"""The tables behind the risk-coverage curve and the reliability diagram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dagster_project.learning.ensembling.plots import draw_reliability, draw_risk_coverage
from dagster_project.learning.ensembling.selective import Answers, AutoLabel
from dagster_project.learning.evaluation.metrics import Interval


def answers(confidence: list[float], right: list[int]) -> Answers:
    return Answers(np.array(confidence), np.array(right, float), np.arange(len(right)))


def test_a_reliability_diagram_has_the_mean_confidence_and_accuracy_of_each_bin(tmp_path: Path) -> None:
    found = {"before": answers([0.99, 1.0, 0.98, 0.41], [1, 0, 1, 0]), "after": answers([0.5], [1])}
    draw_reliability(tmp_path / "reliability", found)
    table = pd.read_csv(tmp_path / "reliability.csv").set_index("model")
    assert table.loc["before", "images"].tolist() == [1, 3]
    assert table.loc["before", "confidence"].tolist() == pytest.approx([0.41, 0.99])
    assert table.loc["before", "accuracy"].tolist() == pytest.approx([0, 2 / 3], abs=1e-5)
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_a_risk_coverage_curve_begins_with_the_surest_and_ends_with_all(tmp_path: Path) -> None:
    test = answers([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1])
    chosen = [AutoLabel(0.9, 0.8, 0.5, Interval(1, 1, 1)), AutoLabel(0.99, None, 0.0, None)]
    draw_risk_coverage(tmp_path / "curve", test, chosen)
    table = pd.read_csv(tmp_path / "curve.csv")
    assert table["coverage"].tolist() == [0.25, 0.5, 0.75, 1]
    assert table["accuracy"].tolist() == pytest.approx([1, 1, 2 / 3, 0.75], abs=1e-5)
    assert (tmp_path / "curve.png").exists()
