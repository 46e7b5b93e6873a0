"""A probe finds what is in an embedding, on patients it never saw, and no more than that."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dagster_project.learning.shortcut_audit.attribute_probes import ATTRIBUTES, AttributeProbe, probe_attributes

PATIENTS, EACH = 90, 3
N = PATIENTS * EACH
RNG = np.random.default_rng(0)
GROUP = np.repeat([f"p{i:03d}" for i in range(PATIENTS)], EACH)
REGION = np.repeat(RNG.integers(0, 3, PATIENTS), EACH)
SCANNER = np.repeat(RNG.integers(0, 2, PATIENTS), EACH)


def probe(embeddings: np.ndarray, values: np.ndarray) -> AttributeProbe:
    table = pd.DataFrame({"patient_group": GROUP, **dict.fromkeys(ATTRIBUTES, "same")})
    table["manufacturer"] = values
    return probe_attributes(embeddings, table, REGION, 0)[0]


def embedding(*shown: np.ndarray, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.3, (N, 12))
    for column, values in enumerate(shown):
        noise[:, column] += values
    return noise.astype(np.float32)


def named(numbers: np.ndarray) -> np.ndarray:
    return np.array([f"maker {n}" for n in numbers], dtype=object)


def test_a_scanner_that_shows_is_read() -> None:
    found = probe(embedding(SCANNER * 2), named(SCANNER))
    assert found.balanced_accuracy is not None
    assert found.permuted_high is not None
    assert found.balanced_accuracy > 0.95
    assert found.balanced_accuracy > found.permuted_high
    assert found.chance == 0.5


@pytest.mark.slow
def test_a_scanner_that_does_not_show_is_not_read_from_the_patient() -> None:
    of_patient = np.repeat(np.random.default_rng(5).normal(0, 3, (PATIENTS, 12)), EACH, axis=0)
    found = probe((embedding() + of_patient).astype(np.float32), named(SCANNER))
    assert found.balanced_accuracy is not None
    assert found.balanced_accuracy < 0.65


@pytest.mark.slow
def test_what_the_region_gives_away_is_not_counted_as_known() -> None:
    found = probe(embedding(REGION * 3), named((REGION > 0).astype(int)))
    assert found.balanced_accuracy is not None
    assert found.permuted is not None
    assert found.balanced_accuracy > 0.9
    assert found.permuted > 0.9


def test_values_of_few_patients_and_missing_ones_are_left_out_and_one_value_is_said() -> None:
    values = named(SCANNER)
    values[:6], values[6:12], values[12] = "rare", "", None
    found = probe(embedding(), values)
    assert (found.values, found.images) == (2, N - 13)
    lonely = probe(embedding(), np.full(N, "one", dtype=object))
    assert lonely.balanced_accuracy is None
    assert "fewer than two" in lonely.note


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures() -> None:
    assert probe(embedding(SCANNER), named(SCANNER)) == probe(embedding(SCANNER), named(SCANNER))
