"""The challenger: chosen without a look at the test split, complete in its folder, with a valid out-of-domain score."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.archive import pattern
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import read_json, read_table, write_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.learning.ensembling.concatenate_embeddings import joint_probes
from dagster_project.learning.ensembling.drift_reference import METADATA, load_reference, reference_rows
from dagster_project.learning.ensembling.ensemble import build_ensemble
from dagster_project.learning.ensembling.label_efficiency import means
from dagster_project.learning.ensembling.model import load_model
from dagster_project.learning.evaluation.labelled import load_labelled_set


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


def test_labels_of_the_test_split_change_nothing_that_is_chosen(trained: Trained, tmp_path: Path) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    table = load_training_set(copy.paths)
    test = (table["split"] == "test").to_numpy()
    mixed = np.random.default_rng(0).permutation(table.loc[test, "region"].to_numpy(object))
    table.loc[test, "region"] = mixed
    write_table(copy.paths.training_set, table)
    build_ensemble(Root(copy.paths, copy.settings))
    before, after = trained.paths.ensemble, copy.paths.ensemble
    assert (after / "heads.safetensors").read_bytes() == (before / "heads.safetensors").read_bytes()
    cards = [read_json(folder / "card.json") for folder in (before, after)]
    assert cards[0]["members"] == cards[1]["members"]
    assert cards[0]["test"] != cards[1]["test"], "the labels that scored it did change"


def test_the_saved_model_says_what_was_scored(trained: Trained) -> None:
    model, data = load_model(trained.paths.ensemble), load_labelled_set(Root(trained.paths, trained.settings))
    rows = data.table.iloc[data.test]
    found = model.predict(gather_images(trained.paths, rows, model.image_size))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    right = (found.probabilities.argmax(axis=1) == data.labels[data.test]).mean()
    metrics = read_json(trained.paths.metrics("ensemble"))
    assert right == pytest.approx(metrics["accuracy"]["1"]["value"])
    told = read_table(trained.paths.test_predictions("ensemble"))
    told = told[told["model"] == "ensemble"].set_index("image_id").loc[rows["image_id"], "region"]
    assert told.tolist() == [model.regions[k] for k in found.probabilities.argmax(axis=1)]


def test_shares_sum_to_one_and_the_card_tells_all_that_a_reader_needs(trained: Trained) -> None:
    card = read_json(trained.paths.ensemble / "card.json")
    assert sum(member["weight"] for member in card["members"]) == pytest.approx(1)
    weights = [member["weight"] for member in card["members"]]
    assert weights == sorted(weights, reverse=True)
    assert all(0.05 <= member["temperature"] <= 20 for member in card["members"])
    assert card["regions"] == ["shoulder", "elbow", "hand", "knee", "foot"]
    assert {"training_set", "training_images", "test", "code_version", "device", "encoders"} <= set(card)


def test_noise_has_a_higher_ood_score_than_images_of_the_classes(trained: Trained) -> None:
    model, rng = load_model(trained.paths.ensemble), np.random.default_rng(5)
    usual = np.stack([pattern(k % 5, rng) for k in range(40)])
    noise = np.kron(rng.integers(0, 255, (40, 16, 16)), np.ones((4, 4))).astype(np.uint8)
    found, other = model.predict(usual).ood_score, model.predict(noise).ood_score
    assert np.median(other) > 0.98
    assert np.median(other) > np.quantile(found, 0.7)
    assert ((found >= 0) & (found <= 1)).all()


def test_agreement_is_the_share_of_members_whose_first_choice_it_is(trained: Trained) -> None:
    model = load_model(trained.paths.ensemble)
    found = model.predict(np.stack([pattern(k % 5, np.random.default_rng(k)) for k in range(30)]))
    weights = [member.weight for member in model.members]
    possible = {round(float(np.dot(weights, bits)), 6) for bits in np.ndindex(*[2] * len(weights))}
    assert {round(float(a), 6) for a in found.member_agreement} <= possible


def test_the_reference_holds_images_that_nothing_was_trained_on(trained: Trained) -> None:
    table, embeddings = load_reference(trained.paths.ensemble)
    split = load_training_set(trained.paths).set_index("image_id")["split"]
    assert set(split[table["image_id"]]) == {"validation", "test"}
    assert len(embeddings) == len(table)
    assert set(METADATA) <= set(table)
    assert len(reference_rows(load_labelled_set(Root(trained.paths, trained.settings)))) == len(table)


@pytest.mark.parametrize(
    "broken", ["card.json", "heads.safetensors", "encoder_simclr/weights.safetensors", "encoder_simclr/card.json"]
)
@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_a_model_that_is_not_complete_is_refused_in_plain_words(
    trained: Trained, broken: str, how: str, tmp_path: Path
) -> None:
    folder = tmp_path / "ensemble"
    shutil.copytree(trained.paths.ensemble, folder)
    path = folder / broken
    if not path.exists():
        pytest.skip("this encoder is no member")
    content = path.read_bytes()
    path.unlink()
    if how == "cut off":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RayTruthError):
        load_model(folder)


def test_metrics_hold_means_and_joint_probes_by_share_of_labels(trained: Trained) -> None:
    metrics = json.loads(trained.paths.metrics("ensemble").read_text())
    assert set(metrics["together"]) == {*means(trained.settings), *joint_probes(trained.settings)}
    for line in metrics["together"].values():
        assert set(line) == {"0.01", "0.1", "1"}
        assert all(i["low"] <= i["value"] <= i["high"] for i in line.values())
    for name in ("confusion_ensemble.png", "label_fractions.csv"):
        assert trained.paths.plot("ensemble", name).exists()
