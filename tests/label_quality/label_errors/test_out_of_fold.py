"""The leak test: no out-of-fold model has seen the label that it checks, nor another label of the same patient."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.encoders import CROSSFIT, OOF_MODELS, with_method
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import class_numbers, load_training_set
from dagster_project.label_quality.label_errors.out_of_fold import predict_out_of_fold
from dagster_project.learning.pretraining.methods_on import similarity_encoder
from dagster_project.learning.pretraining.pretrain import pretrain

CLASSES = 5


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A root whose crossfit encoders took one epoch, so that they can be trained again and again."""
    root = with_one_epoch(trained_root(made_once).copied_to(tmp_path_factory.mktemp("leak") / "root"))
    pretrain(root.open(), "crossfit")
    return root


def with_one_epoch(root: Trained) -> Trained:
    quick = with_method(root.settings.learning, "crossfit", epochs=1)
    return replace(root, settings=root.settings.model_copy(update={"profiles": {"quick": quick}}))


def predicted(root: Trained, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (M, N, K), and those around the images of each fold (F, N, K)."""
    found = predict_out_of_fold(root.open(), table, class_numbers(root.open(), table), CLASSES)
    return found.probabilities, found.around


def with_next_label(root: Trained, table: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """The table with another class's label on every labelled one of `rows` (bool)."""
    names = np.array(sorted(root.truth["truth"].dropna().unique()), dtype=object)
    known = {name: names[(i + 1) % len(names)] for i, name in enumerate(names)}
    return table.assign(region=table["region"].where(~rows, table["region"].map(known)))


def weights(root: Trained, fold: int) -> Path:
    return root.paths.encoder(CROSSFIT) / f"fold_{fold}" / "weights.safetensors"


def trained_again(root: Trained, table: pd.DataFrame, folder: Path) -> Trained:
    """A copy of the root with this training set and crossfit encoders trained on it from the start."""
    copy = root.copied_to(folder)
    shutil.rmtree(copy.paths.encoder(CROSSFIT))
    write_table(copy.paths.training_set, table)
    pretrain(Root(copy.paths, copy.settings), "crossfit")
    return copy


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_labels_of_a_fold_change_no_prediction_for_that_fold(trained: Trained, fold: int, tmp_path: Path) -> None:
    table = load_training_set(trained.paths)
    mine = (table["fold"] == fold).to_numpy()
    copy = trained_again(trained, with_next_label(trained, table, mine), tmp_path / "copy")
    same = [content_hash(weights(copy, k)) == content_hash(weights(trained, k)) for k in range(3)]
    assert same == [k == fold for k in range(3)]
    before, around_before = predicted(trained, table)
    after, around_after = predicted(copy, load_training_set(copy.paths))
    np.testing.assert_array_equal(after[:, mine], before[:, mine])
    np.testing.assert_array_equal(around_after[fold], around_before[fold])
    assert (around_after[(fold + 1) % 3] != around_before[(fold + 1) % 3]).any()
    for j in range(len(OOF_MODELS)):
        assert (after[j, ~mine] != before[j, ~mine]).any(), "else the test would prove nothing"


def test_flipping_one_label_leaves_the_probabilities_of_its_patient_s_images(trained: Trained, tmp_path: Path) -> None:
    table = load_training_set(trained.paths)
    one = int(np.flatnonzero((table["fold"] == 1) & table["region"].notna())[3])
    patient = (table["patient"] == table["patient"][one]).to_numpy()
    copy = trained_again(trained, with_next_label(trained, table, table.index == one), tmp_path / "copy")
    before, after = predicted(trained, table)[0], predicted(copy, load_training_set(copy.paths))[0]
    assert patient.sum() == 2
    np.testing.assert_array_equal(after[:, patient], before[:, patient])
    assert (after != before).any()


def test_the_encoders_of_a_fold_saw_no_image_of_its_patients(trained: Trained) -> None:
    table = load_training_set(trained.paths)
    assert (table.groupby("patient_group")["fold"].nunique() == 1).all()
    for fold in range(3):
        others = table[(table["fold"] != fold) & (table["exclusion"] == "")]
        card = pd.read_json(weights(trained, fold).with_name("card.json"), typ="series")
        assert (card["images"], card["labels_seen"]) == (len(others), others["region"].notna().sum())


def test_every_image_gets_probabilities_also_without_a_label(trained: Trained) -> None:
    table = load_training_set(trained.paths)
    assert table["region"].isna().any()
    probabilities, around = predicted(trained, table)
    assert probabilities.shape == (len(OOF_MODELS), len(table), CLASSES)
    assert around.shape == (3, len(table), CLASSES)
    for found in (probabilities, around):
        np.testing.assert_allclose(found.sum(axis=2), 1, atol=1e-5)


def test_a_label_on_an_excluded_copy_teaches_nothing(trained: Trained, tmp_path: Path) -> None:
    table = load_training_set(trained.paths)
    row = int(np.flatnonzero(table["region"].notna())[0])
    shut_out = table.assign(exclusion=table["exclusion"].where(table.index != row, "split_leakage"))
    copy = trained_again(trained, shut_out, tmp_path / "copy")
    before, _ = predicted(copy, shut_out)
    after, _ = predicted(copy, with_next_label(trained, shut_out, shut_out.index == row))
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("column", ["fold", "region"])
def test_encoders_of_other_folds_or_labels_are_refused(trained: Trained, column: str) -> None:
    table = load_training_set(trained.paths)
    if column == "fold":
        table["fold"] = (table["fold"] + 1) % 3
    else:
        table = with_next_label(trained, table, table.index == 5)
    with pytest.raises(RayTruthError, match="other folds or labels") as error:
        predicted(trained, table)
    assert error.value.do == "run `raytruth pretrain crossfit`"


def test_missing_encoders_and_embeddings_are_named(trained: Trained, tmp_path: Path) -> None:
    copy, table = trained.copied_to(tmp_path / "copy"), load_training_set(trained.paths)
    copy.paths.embeddings("encoder_byol").unlink()
    with pytest.raises(RayTruthError, match="not been embedded") as error:
        predicted(copy, table)
    assert error.value.do == "run `raytruth evaluate`"
    shutil.rmtree(copy.paths.encoder(CROSSFIT))
    with pytest.raises(RayTruthError, match="not been pretrained"):
        predicted(copy, table)


def test_a_further_probe_judges_the_similarity_encoder_s_embeddings_with_one_scale(trained: Trained) -> None:
    probabilities, _ = predicted(trained, load_training_set(trained.paths))
    one_scale, standardised = (
        probabilities[OOF_MODELS.index(name)] for name in ("one_scale", similarity_encoder(trained.settings))
    )
    np.testing.assert_allclose(one_scale.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(one_scale - standardised).max() > 0.01
