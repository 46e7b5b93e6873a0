"""Pseudo-labels for missing labels: only where labels are few, only the surest, only from labels that are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.archive import patients_of, put_batch, write_regions
from support.encoders import CROSSFIT
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import content_hash, read_json, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set, load_training_set
from dagster_project.learning.pretraining.encoder import pretrain_encoder
from dagster_project.learning.pretraining.plan import waits_for_reference
from dagster_project.learning.pretraining.pretrain import pretrain
from dagster_project.learning.pretraining.self_training import labels_are_few, with_pseudo_labels

pytestmark = pytest.mark.slow


def clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    truth = np.arange(count) % 3
    return np.eye(3)[truth] * 6 + np.random.default_rng(0).normal(size=(count, 3)), truth


def test_labels_are_few_below_a_half_and_never_without_two_classes() -> None:
    assert not labels_are_few(np.array([0, 1, 0, -1]))
    assert labels_are_few(np.array([0, 1, -1, -1, -1]))
    assert not labels_are_few(np.array([0, 0, -1, -1, -1])), "a probe cannot learn one class"
    assert not labels_are_few(np.full(5, -1))


def test_given_labels_stay_and_the_surest_of_the_others_get_a_pseudo_label() -> None:
    embeddings, truth = clusters(300)
    labels = np.full(300, -1)
    labels[:30] = truth[:30]
    labels[0] = (truth[0] + 1) % 3  # wrong, and to stay so
    found = with_pseudo_labels(embeddings, labels)
    assert (found[:30] == labels[:30]).all()
    filled = found[30:] >= 0
    assert filled.mean() == pytest.approx(0.8, abs=0.01)
    assert (found[30:][filled] == truth[30:][filled]).mean() > 0.97


def test_the_unsure_are_those_left_out() -> None:
    embeddings, truth = clusters(300)
    embeddings[250:] = embeddings[:3].mean(axis=0)  # in the middle between all classes
    labels = np.full(300, -1)
    labels[:30] = truth[:30]
    assert (with_pseudo_labels(embeddings, labels)[250:] < 0).all()


@pytest.fixture
def few(tmp_path: Path) -> tuple[Paths, Settings]:
    """A root with labels on a third of its training images."""
    changes = {f"profiles__quick__methods__{method}__epochs": 1 for method in ("simclr", "byol", "supcon")}
    paths = small_root(
        tmp_path / "root", write_regions(tmp_path / "r.yaml"), profiles__quick__methods__crossfit__epochs=1, **changes
    )
    put_batch(paths, "b", *patients_of([0, 1, 2] * 16, seed=3))
    build_training_set(Root(paths, settings_of(paths)))
    table = load_training_set(paths)
    table.loc[np.arange(len(table)) % 9 > 2, "region"] = None
    write_table(paths.training_set, table)
    return paths, settings_of(paths)


def test_with_few_labels_supcon_goes_on_from_the_reference_encoder(few: tuple[Paths, Settings]) -> None:
    paths, settings = few
    assert waits_for_reference(Root(paths, settings), "encoder_supcon")
    assert not waits_for_reference(Root(paths, settings), "encoder_byol")
    with pytest.raises(RayTruthError, match="has not been pretrained"):
        pretrain_encoder(Root(paths, settings), "encoder_supcon")
    pretrain(Root(paths, settings), "supcon", "simclr")
    card = read_json(paths.encoder("encoder_supcon") / "card.json")
    assert 0 < card["labels_seen"] < card["images"] / 2
    assert card["pseudo_labels_seen"] > 0
    assert card["begun_from"] == content_hash(paths.encoder("encoder_simclr") / "weights.safetensors")


def test_a_fold_s_pseudo_labels_know_nothing_of_that_fold_s_labels(few: tuple[Paths, Settings]) -> None:
    paths, settings = few
    pretrain(Root(paths, settings), "simclr")
    name = f"{CROSSFIT}/fold_0"
    pretrain_encoder(Root(paths, settings), name)
    assert read_json(paths.encoder(name) / "card.json")["pseudo_labels_seen"] > 0
    before = content_hash(paths.encoder(name) / "weights.safetensors")
    table = load_training_set(paths)
    own = ((table["fold"] == 0) & table["region"].notna()).to_numpy()
    table.loc[own, "region"] = np.random.default_rng(0).permutation(table.loc[own, "region"].to_numpy(object))
    write_table(paths.training_set, table)
    (paths.encoder(name) / "card.json").unlink()
    pretrain_encoder(Root(paths, settings), name)
    assert content_hash(paths.encoder(name) / "weights.safetensors") == before


def test_with_enough_labels_there_are_no_pseudo_labels(few: tuple[Paths, Settings]) -> None:
    paths, settings = few
    build_training_set(Root(paths, settings))
    pretrain_encoder(Root(paths, settings), "encoder_supcon")
    card = read_json(paths.encoder("encoder_supcon") / "card.json")
    assert (card["pseudo_labels_seen"], card["begun_from"]) == (0, "")
