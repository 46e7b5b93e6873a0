"""The benchmark of the linear evaluation, small: every part is timed and scikit-learn agrees."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.learning.linear_evaluation import drawn, measure
from benchmarks.results import code_version, hardware, save, shipped_settings


@pytest.mark.slow
def test_every_part_is_timed_and_the_peer_agrees() -> None:
    table = measure(shipped_settings(), 1500, 48).set_index("part")
    ours = table.loc[:"nearest neighbours", "seconds"]
    assert len(ours) == 4
    assert table.loc["all", "seconds"] == pytest.approx(ours.sum())
    assert table.loc["nearest neighbours", "accuracy"] > 0.5  # 14 classes
    assert table.loc["probes at 1% of the labels", "accuracy"] < table.loc["probes at 100% of the labels", "accuracy"]
    assert table.loc["scikit-learn: nearest neighbours", "same_answers"] > 0.99
    assert table.loc["scikit-learn: probes at 100% of the labels", "log_loss_apart"] < 5e-3  # at its defaults


def test_the_split_takes_every_image_once() -> None:
    embeddings, data = drawn(1000, 16, 0, shipped_settings())
    assert sorted([*data.train, *data.validation, *data.test]) == list(range(1000))
    assert embeddings.shape == (1000, 16)


def test_a_result_names_hardware_and_version_and_no_place(tmp_path: Path) -> None:
    path = save(pd.DataFrame({"x": [1.0]}), "speed", tmp_path / "new")
    assert path.name == f"speed_{hardware()}_{code_version()}.csv"
    assert pd.read_csv(path)["x"].tolist() == [1.0]
