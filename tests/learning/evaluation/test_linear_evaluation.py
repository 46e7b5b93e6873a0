"""Embeddings, probes and neighbours of a trained root, and the tables and images that tell of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.encoders import ENCODERS
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import read_json, read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.learning.encoders import embed as module
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.learning.evaluation.linear_evaluation import nearest_neighbours, probe
from dagster_project.learning.evaluation.plots import draw_confusion, draw_embedding_map


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def data(trained: Trained) -> LabelledSet:
    return load_labelled_set(Root(trained.paths, trained.settings))


def images_of(trained: Trained) -> np.ndarray:
    return gather_images(trained.paths, load_training_set(trained.paths), 64)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_embeddings_do_not_depend_on_the_size_of_batches(
    trained: Trained, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_encoder(Root(trained.paths, trained.settings), "encoder_byol")
    images = images_of(trained)[:20]
    whole = opened.embed(images)
    monkeypatch.setattr(module, "_BATCH", size)
    np.testing.assert_allclose(opened.embed(images), whole, rtol=1e-4, atol=1e-5)
    assert whole.shape == (20, opened.embedding_size)
    assert whole.dtype == np.float32


def test_a_image_and_its_mirror_image_have_one_embedding(trained: Trained) -> None:
    opened = open_encoder(Root(trained.paths, trained.settings), "encoder_simclr")
    images = images_of(trained)[:8]
    one, other = (opened.embed(p) for p in (images, images[:, :, ::-1]))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_embeddings_on_disk_stand_in_the_training_set_s_order(trained: Trained, encoder: str) -> None:
    opened = open_encoder(Root(trained.paths, trained.settings), encoder)
    images = images_of(trained)
    kept = load_embeddings(trained.paths, encoder, len(images))
    np.testing.assert_allclose(opened.embed(images[40:50]), kept[40:50], atol=1e-4)


def test_embeddings_of_another_training_set_are_refused(trained: Trained) -> None:
    with pytest.raises(RayTruthError, match="since it last changed") as error:
        load_embeddings(trained.paths, "encoder_byol", 3)
    assert "raytruth evaluate" in error.value.do
    with pytest.raises(RayTruthError, match="has not been embedded"):
        load_embeddings(trained.paths, "encoder_other", 3)


def test_neighbours_vote_as_a_plain_search_by_cosine_does(trained: Trained, data: LabelledSet) -> None:
    x = np.random.default_rng(0).normal(size=(len(data.table), 5)) + 2 * np.eye(5)[data.labels]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    settings = trained.settings.evaluation.model_copy(update={"neighbours": 7})
    want = []
    for row in data.test:
        distance = 1 - unit[data.train] @ unit[row]
        near = np.argsort(distance)[:7]
        votes = np.bincount(data.labels[data.train][near], weights=1 / distance[near], minlength=5)
        want.append(votes.argmax())
    np.testing.assert_array_equal(nearest_neighbours(x, data, settings), want)


def test_more_neighbours_than_images_are_all_of_them(trained: Trained, data: LabelledSet) -> None:
    settings = trained.settings.evaluation.model_copy(update={"neighbours": 10_000})
    x = np.random.default_rng(0).normal(size=(len(data.table), 5))
    assert len(nearest_neighbours(x, data, settings)) == len(data.test)


def test_a_probe_sees_only_its_share_of_the_training_labels_and_is_drawn_again(
    trained: Trained, data: LabelledSet
) -> None:
    x = np.random.default_rng(0).normal(size=(len(data.table), 6)) + np.eye(6)[data.labels]
    few = probe(x, data, 0.1, trained.settings)
    assert [(p.fraction, p.repeat) for p in few] == [(0.1, 0), (0.1, 1)]
    assert not np.array_equal(few[0].probabilities, few[1].probabilities)
    assert len(probe(x, data, 1.0, trained.settings)) == 1
    assert few[0].inverse_regularisation in trained.settings.evaluation.inverse_regularisation


def test_labels_of_the_test_split_do_not_touch_a_probe(trained: Trained, data: LabelledSet) -> None:
    x = np.random.default_rng(0).normal(size=(len(data.table), 6)) + np.eye(6)[data.labels]
    labels = data.labels.copy()
    labels[data.test] = (labels[data.test] + 1) % 5
    other = LabelledSet(data.table, labels, data.regions, data.train, data.validation, data.test)
    for one, two in zip(probe(x, data, 0.1, trained.settings), probe(x, other, 0.1, trained.settings), strict=True):
        np.testing.assert_array_equal(one.probabilities, two.probabilities)
        assert one.validation_accuracy == two.validation_accuracy


def test_metrics_and_predictions_tell_the_same(trained: Trained, data: LabelledSet) -> None:
    metrics = read_json(trained.paths.metrics("linear_evaluation"))
    assert set(metrics) == set(ENCODERS)
    table = read_table(trained.paths.test_predictions("linear_evaluation"))
    given = dict(zip(data.image_ids(data.test), (data.regions[k] for k in data.labels[data.test]), strict=True))
    table["right"] = table["region"] == table["image_id"].map(given)
    for encoder in ENCODERS:
        assert list(metrics[encoder]["accuracy"]) == ["0.01", "0.1", "1"]
        for fraction, interval in metrics[encoder]["accuracy"].items():
            own = table[(table["model"] == encoder) & (table["fraction"] == float(fraction))]
            assert own["right"].mean() == pytest.approx(interval["value"])
            assert interval["low"] <= interval["value"] <= interval["high"]
    assert (table.groupby(["model", "fraction", "repeat"]).size() == len(data.test)).all()


def test_encoders_beat_chance_and_more_labels_help(trained: Trained) -> None:
    metrics = read_json(trained.paths.metrics("linear_evaluation"))
    assert max(found["accuracy"]["1"]["value"] for found in metrics.values()) > 0.6  # chance: 0.2
    for found in metrics.values():
        assert found["accuracy"]["1"]["value"] > 0.3
        assert found["accuracy"]["1"]["value"] >= found["accuracy"]["0.01"]["value"]


def test_plots_are_images_and_the_confusion_counts_every_test_image(trained: Trained, data: LabelledSet) -> None:
    folder = trained.paths.plots_dir / "linear_evaluation"
    for path in folder.glob("*.png"):
        assert min(Image.open(path).size) > 200
    assert len(list(folder.glob("embedding_map_*.png"))) == len(ENCODERS)
    for encoder in ENCODERS:
        assert len(pd.read_csv(folder / f"confusion_{encoder}.csv")) == len(data.test)


def test_a_confusion_of_classes_without_images_and_a_map_of_few_points_are_drawn(tmp_path: Path) -> None:
    draw_confusion(tmp_path / "confusion_x", np.array([0, 0]), np.array([2, 0]), ("a", "b", "c"))
    assert pd.read_csv(tmp_path / "confusion_x.csv").to_numpy().tolist() == [["a", "c"], ["a", "a"]]
    rng = np.random.default_rng(0)
    draw_embedding_map(tmp_path / "map.png", rng.normal(size=(5, 8)), np.array([0, 1, 1, 0, 1]), ("a", "b"))
    assert (tmp_path / "map.png").stat().st_size > 1000


def test_an_encoder_that_is_missing_is_named(trained: Trained, tmp_path: Path) -> None:
    from dagster_project.learning.evaluation.linear_evaluation import evaluate

    copy = trained.copied_to(tmp_path / "copy")
    write_table(copy.paths.training_set, load_training_set(copy.paths))
    (copy.paths.encoder("encoder_simclr") / "weights.safetensors").unlink()
    with pytest.raises(RayTruthError, match="not been pretrained"):
        evaluate(Root(copy.paths, copy.settings))
