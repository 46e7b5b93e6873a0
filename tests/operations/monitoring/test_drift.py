"""Drift is called by its cause where there is one, and not where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from support.trained import FIRST, Trained, trained_root
from support.unseen import put_unseen

from dagster_project.core.atomic_io import read_json
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion_store import champion_folder
from dagster_project.learning.ensembling.drift_reference import METADATA, load_reference
from dagster_project.operations.monitoring.drift import Drift, DriftTest, measure_drift
from dagster_project.operations.monitoring.predict import load_predictions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A copy to which batches may be added."""
    return trained_root(made_once).copied_to(tmp_path_factory.mktemp("drift") / "root")


def drift_of(root: Trained, batch: str) -> Drift:
    return measure_drift(root.open(), batch)


def values(drift: Drift) -> dict[str, float]:
    return {test.column: test.value for test in drift.tests}


@pytest.fixture(scope="module")
def calm(root: Trained) -> list[Drift]:
    """Reports on four batches of the same kind as the champion's own."""
    for seed in range(11, 15):
        put_unseen(root, f"calm{seed}", seed)
    return [drift_of(root, f"calm{seed}") for seed in range(11, 15)]


def test_batches_of_the_same_kind_have_not_drifted(calm: list[Drift]) -> None:
    assert [drift.causes for drift in calm] == [[]] * 4
    assert all(drift.note == "" and drift.images == 70 for drift in calm)


def test_a_shifted_mix_of_regions_is_label_mix(root: Trained) -> None:
    put_unseen(root, "mix", 21, kinds=[3] * 25 + [0, 1, 2, 4] * 2)
    assert "label_mix" in drift_of(root, "mix").causes


def test_another_machine_is_acquisition_and_names_the_columns(root: Trained) -> None:
    put_unseen(root, "machine", 22, manufacturer="other", station="room 9")
    drift = drift_of(root, "machine")
    assert set(drift.causes) - {"confidence"} == {"acquisition"}
    assert {t.column for t in drift.tests if t.drifted and t.cause == "acquisition"} == {"manufacturer", "station"}
    assert values(drift)["manufacturer"] == pytest.approx(np.sqrt(np.log(2))), "nothing in common"


def test_another_exposure_shows_in_the_embedding(root: Trained) -> None:
    put_unseen(root, "dark", 23, gamma=3.5)
    assert "embedding" in drift_of(root, "dark").causes


def test_every_metadata_column_region_confidence_and_embedding_are_tested_once(calm: list[Drift]) -> None:
    columns = [test.column for test in calm[0].tests]
    assert sorted(columns) == sorted([*METADATA, "region", "confidence", "embedding"])
    assert all(np.isfinite(test.value) and np.isfinite(test.floor) for test in calm[0].tests)


def test_a_value_must_be_above_the_threshold_and_above_what_chance_reaches() -> None:
    for value, threshold, floor, drifted in ((0.3, 0.2, 0.1, True), (0.3, 0.2, 0.4, False), (0.3, 0.4, 0.1, False)):
        assert DriftTest("label_mix", "region", "m", value, threshold, floor).drifted is drifted


def test_a_small_batch_is_reported_and_never_called_drifted(root: Trained) -> None:
    put_unseen(root, "small", 24, kinds=[3] * 14, gamma=4, manufacturer="other")
    drift = drift_of(root, "small")
    assert (drift.causes, drift.tests, drift.images) == ([], [], 28)
    assert "28 images" in drift.note
    assert "30" in drift.note
    assert not root.paths.drift_page("small").exists()


def test_what_the_champion_learned_from_is_not_compared_with_its_own_reference(root: Trained) -> None:
    drift = drift_of(root, FIRST)
    assert drift.reference_images == 0
    assert drift.causes == []
    assert "reference has 0 images of other batches" in drift.note


def test_values_are_those_of_a_plain_calculation(root: Trained, calm: list[Drift]) -> None:
    reference, _ = load_reference(champion_folder(root.paths))
    now = load_predictions(root.open(), "calm11")
    shares = [
        t["region"].value_counts(normalize=True).reindex(list(now.columns[-5:])).fillna(0) for t in (reference, now)
    ]
    assert values(calm[0])["region"] == pytest.approx(jensenshannon(*shares), abs=1e-6)
    confidence = [t["confidence"].to_numpy(float) for t in (reference, now)]
    distance = wasserstein_distance(*confidence) / confidence[0].std()
    assert values(calm[0])["confidence"] == pytest.approx(distance, abs=1e-6)


def test_the_floor_is_what_patients_drawn_from_the_reference_reach(root: Trained, calm: list[Drift]) -> None:
    reference, _ = load_reference(champion_folder(root.paths))
    rng, found = np.random.default_rng(0), []
    patients = [group for _, group in reference.groupby("patient")]
    whole = reference["region"].value_counts(normalize=True)
    for _ in range(400):
        drawn = pd.concat([patients[i] for i in rng.integers(0, len(patients), len(patients))])
        found.append(jensenshannon(whole, drawn["region"].value_counts(normalize=True).reindex(whole.index).fillna(0)))
    floor = next(test.floor for test in calm[0].tests if test.column == "region")
    assert floor == pytest.approx(np.quantile(found, 0.99), rel=0.2)


def test_the_report_on_disk_says_what_was_returned_and_comes_out_the_same_again(
    root: Trained, calm: list[Drift]
) -> None:
    path = root.paths.drift("calm11")
    before, kept = path.read_bytes(), read_json(path)
    assert (kept["causes"], kept["drifted"], kept["model_version"]) == (calm[0].causes, False, calm[0].model_version)
    assert [test["value"] for test in kept["tests"]] == [test.value for test in calm[0].tests]
    drift_of(root, "calm11")
    assert path.read_bytes() == before


def test_evidently_s_page_loads_nothing_from_the_network(root: Trained, calm: list[Drift]) -> None:
    page = root.paths.drift_page("calm11").read_text(encoding="utf-8")
    assert "<html" in page
    loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=[\"']?(https?:)?//|<link[^>]*href=[\"']?(https?:)?//", page)
    assert loaded == []


def test_bounds_come_from_the_settings(root: Trained, calm: list[Drift]) -> None:
    strict = root.settings.monitoring.model_copy(update={"min_images": 1000})
    settings = root.settings.model_copy(update={"monitoring": strict})
    assert "1000 are needed" in measure_drift(Root(root.paths, settings), "calm12").note
