"""The benchmark of planted labels: its peers and its intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.label_quality.planted_labels import distance_ratio, gains, whole_patients


def test_a_label_is_suspicious_whose_image_is_nearer_to_another_label_s() -> None:
    angles = np.radians([0, 10, 90, 100, 12])
    ratio = distance_ratio(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.array([0, 0, 1, 1, 1]))
    assert ratio.argmax() == 4
    assert ratio[4] > 0.99
    assert (ratio[[0, 2, 3]] < 0.5).all()


def test_equal_images_with_equal_and_other_labels_are_in_doubt() -> None:
    same = np.tile([1.0, 0.0], (3, 1))
    assert distance_ratio(same, np.array([0, 0, 1]))[0] == 0.5


def test_a_gain_is_the_difference_of_average_precisions_with_an_interval_around_it() -> None:
    rng = np.random.default_rng(0)
    wrong = rng.random(400) < 0.1
    good, bad = wrong + rng.normal(0, 0.3, 400), wrong + rng.normal(0, 3, 400)
    patients = np.repeat(np.arange(200), 2).astype(str)
    better = gains(good, bad, wrong, patients)
    assert 0 < better["low"] < better["gain"] < better["high"]
    assert gains(bad, good, wrong, patients)["gain"] == pytest.approx(-better["gain"])
    assert gains(good, good, wrong, patients) == {"gain": 0, "low": 0, "high": 0}


def test_patients_are_drawn_as_a_whole() -> None:
    table = pd.DataFrame({"patient_group": np.repeat([f"p{i}" for i in range(30)], 4)})
    rows = whole_patients(table, 50, seed=1)
    assert 50 <= len(rows) <= 53
    assert set(table["patient_group"].iloc[rows].value_counts()) == {4}
    assert len(whole_patients(table, 0, seed=1)) == 120
