"""The champion's predictions on a batch: one row an image, made again when champion or batch change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.archive import REGIONS
from support.roots import small_root
from support.trained import FIRST, Trained, trained_root
from support.unseen import put_unseen

from dagster_project.core.atomic_io import read_json, read_table, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.champion_store import champion_hash
from dagster_project.operations.monitoring import predict as module
from dagster_project.operations.monitoring.drift import measure_drift
from dagster_project.operations.monitoring.predict import load_predictions, predict_batch
from dagster_project.operations.monitoring.stored import predictions_are_current

pytestmark = pytest.mark.slow


@pytest.fixture
def root(made_once: Callable[..., Path], tmp_path: Path) -> Trained:
    copy = trained_root(made_once).copied_to(tmp_path / "root")
    put_unseen(copy, "new", 31)
    return copy


def test_one_row_a_image_in_the_headers_order_with_a_probability_a_class(root: Trained) -> None:
    table = predict_batch(root.open(), "new")
    assert table["image_id"].tolist() == read_table(root.paths.headers("new"))["image_id"].tolist()
    probabilities = table[list(REGIONS)].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert table["region"].tolist() == [REGIONS[k] for k in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(table["confidence"], probabilities.max(axis=1))
    for column in ("confidence", "member_agreement", "ood_score"):
        assert table[column].between(0, 1 + 1e-6).all()
    assert set(table["model_version"]) == {champion_hash(root.paths)}
    assert len(np.load(root.paths.prediction_embeddings("new"))) == len(table)


def test_they_are_the_champion_s_own_words_whatever_the_block(root: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = np.load(root.paths.pixels("new"))
    want = load_champion(root.open()).predict(shard).probabilities
    monkeypatch.setattr(module, "_BLOCK", 9)
    table = predict_batch(root.open(), "new")
    np.testing.assert_allclose(table[list(REGIONS)], want, atol=1e-4)


def test_they_are_better_than_chance(root: Trained) -> None:
    table = predict_batch(root.open(), "new")
    given = read_table(root.paths.headers("new"))["header_region"]
    assert (table["region"].to_numpy() == given.to_numpy()).mean() > 0.5


@pytest.mark.slow
def test_images_that_it_learned_from_are_marked(root: Trained) -> None:
    assert not predict_batch(root.open(), "new")["trained_on"].any()
    table = predict_batch(root.open(), FIRST).set_index("image_id")
    split = load_training_set(root.paths).set_index("image_id")["split"]
    assert table["trained_on"].eq(split[table.index] == "train").all()


@pytest.mark.slow
def test_predictions_on_file_stand_until_the_batch_or_the_champion_changes(root: Trained) -> None:
    assert not predictions_are_current(root.paths, "new")
    first = load_predictions(root.open(), "new")
    stamp = root.paths.predictions("new").stat().st_mtime_ns
    load_predictions(root.open(), "new")
    assert root.paths.predictions("new").stat().st_mtime_ns == stamp
    put_unseen(root, "new", 32)
    assert not predictions_are_current(root.paths, "new")
    assert load_predictions(root.open(), "new")["image_id"].tolist() != first["image_id"].tolist()
    write_json(root.paths.champion, read_json(root.paths.champion) | {"model": "another"})
    assert not predictions_are_current(root.paths, "new")


def test_without_batch_or_champion_there_is_a_word_on_what_to_do(root: Trained, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match="No such batch"):
        predict_batch(root.open(), "other")
    bare = small_root(tmp_path / "bare")
    put_unseen(Trained(bare, root.settings, root.truth), "new", 31)
    with pytest.raises(RayTruthError, match="no champion"):
        predict_batch(Root(bare, root.settings), "new")


def test_under_other_regions_nothing_is_predicted_and_predictions_on_file_do_not_stand_in(root: Trained) -> None:
    predict_batch(root.open(), "new")
    regions = root.paths.root / root.settings.regions
    regions.write_text(regions.read_text().replace("foot:", "forefoot:"))
    for attempt in (predict_batch, load_predictions, measure_drift):
        with pytest.raises(RayTruthError, match="region classes are not those of this root"):
            attempt(root.open(), "new")
