"""Embeddings of several encoders as one."""

from __future__ import annotations

import numpy as np
import pytest

from dagster_project.learning.ensembling.concatenate_embeddings import concatenate_embeddings
from dagster_project.learning.evaluation.linear_head import fit_linear_head


def test_a_joint_probe_tells_classes_that_each_encoder_tells_but_half() -> None:
    """Two encoders that see one bit each of a class of two bits: no mean of their probes can know all four."""
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (400, 2))
    labels = bits @ [2, 1]
    each = {name: rng.normal(size=(400, 6)) + 8 * np.eye(6)[bits[:, k]] for k, name in enumerate(("a", "b"))}

    def accuracy(encoders: list[str]) -> float:
        x = concatenate_embeddings(each, encoders)
        return float((fit_linear_head(x[:200], labels[:200], 4, 1.0).logits(x[200:]).argmax(1) == labels[200:]).mean())

    assert accuracy(["a"]) == pytest.approx(0.5, abs=0.15)
    assert accuracy(["b"]) == pytest.approx(0.5, abs=0.15)
    assert accuracy(["a", "b"]) > 0.95
