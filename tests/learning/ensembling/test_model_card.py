"""The model card: what stands in it was measured on just these data, and the same model gives the same text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_json, read_table, write_table
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.ensemble import build_ensemble


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture(scope="module")
def card(trained: Trained) -> str:
    return (trained.paths.ensemble / "README.md").read_text()


def test_it_names_data_members_and_scores_as_they_are(trained: Trained, card: str) -> None:
    paths, metrics = trained.paths, read_json(trained.paths.metrics("ensemble"))
    assert content_hash(paths.training_set) in card
    assert hashlib.md5(paths.training_set.read_bytes(), usedforsecurity=False).hexdigest() in card
    members = read_json(paths.ensemble / "card.json")["members"]
    assert {m["name"]: m["weight"] for m in members} == metrics["weights"]
    for member in members:
        assert f"| {member['name']} | {', '.join(member['encoders'])} | {member['weight']:.3f} |" in card
    assert f"| accuracy | {metrics['accuracy']['1']['value']:.4f} | {metrics['accuracy']['1']['low']:.4f} to" in card
    for row, score in (
        ("before calibration", "calibration_error_uncalibrated"),
        ("after calibration", "calibration_error"),
    ):
        assert f"expected calibration error {row} | {metrics[score]:.4f} |" in card
    for coverage, accuracy in metrics["accuracy_at_coverage"].items():
        assert f"accuracy of the most confident {100 * float(coverage):g} % | {accuracy['value']:.4f} |" in card
    test = read_table(paths.training_set).query("split == 'test'")["region"].value_counts()
    for region, recall in metrics["recall"].items():
        assert f"| {region} | {test[region]} | {recall:.4f} |" in card


def test_a_threshold_that_nothing_reaches_is_said_so(trained: Trained, card: str) -> None:
    for wanted, found in read_json(trained.paths.metrics("ensemble"))["auto_label"].items():
        told = "none" if found["confidence"] is None else f"{found['confidence']:.4f}"
        assert f"| {100 * float(wanted):g} % | {told} |" in card


def test_licence_limits_and_what_it_may_not_be_used_for_are_in_it(trained: Trained, card: str) -> None:
    assert f"**Licence of the data**: {trained.settings.data_licence}" in card
    for words in ("Not for diagnosis", "## Limits", "ood_score", "Errors in the test labels", "population"):
        assert words in card


def test_the_same_again_is_the_same_text_another_licence_and_a_class_without_images_are_told(
    trained: Trained, card: str, tmp_path: Path
) -> None:
    copy = trained.copied_to(tmp_path / "copy")
    build_ensemble(Root(copy.paths, copy.settings))
    assert (copy.paths.ensemble / "README.md").read_text() == card
    table = read_table(copy.paths.training_set)
    write_table(copy.paths.training_set, table.assign(region=table["region"].where(table["region"] != "foot", None)))
    build_ensemble(Root(copy.paths, copy.settings.model_copy(update={"data_licence": "Only <ours> & theirs."})))
    changed = (copy.paths.ensemble / "README.md").read_text()
    assert "**Licence of the data**: Only <ours> & theirs." in changed
    assert "never predicted: foot." in changed
    assert "never predicted" not in card
