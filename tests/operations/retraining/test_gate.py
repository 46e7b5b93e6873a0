"""The gate: the first model becomes champion, a challenger that loses does not, and nobody swaps the files."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.trained import Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_json, replacing_dir, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.schema import KEY
from dagster_project.intake.root import Root
from dagster_project.learning.ensembling.champion import load_champion
from dagster_project.learning.ensembling.champion_store import champion_folder, champion_hash
from dagster_project.learning.ensembling.model import Model, load_model, save_model
from dagster_project.operations.retraining.gate import promote

HAND = 2


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


@pytest.fixture
def root(trained: Trained, tmp_path: Path) -> Trained:
    """A copy whose gate looks at each of its small classes."""
    copy = trained.copied_to(tmp_path / "copy")
    settings = copy.settings.ensembling.model_copy(update={"min_class_images": 3})
    return replace(copy, settings=copy.settings.model_copy(update={"ensembling": settings}))


def challenge(root: Trained, change: Callable[[Model], Model], note: str = "") -> str:
    """Put a changed model in the place of the ensemble; returns its content hash."""
    model = change(load_model(root.paths.ensemble))
    with replacing_dir(root.paths.ensemble) as folder:
        save_model(folder, model, {"note": note})
    return content_hash(root.paths.ensemble)


def with_bias(model: Model, region: int, amount: float) -> Model:
    """A model that names one region the more gladly."""
    shift = np.zeros(len(model.regions), np.float32)
    shift[region] = amount
    members = [replace(m, head=replace(m.head, bias=m.head.bias + shift)) for m in model.members]
    return replace(model, members=tuple(members))


def test_the_first_model_becomes_champion_under_its_content_hash(root: Trained) -> None:
    paths = root.paths
    name = content_hash(paths.ensemble)
    assert champion_hash(paths) == name
    assert content_hash(paths.champions_dir / name) == name
    card = read_json(paths.champion)
    assert set(card) == {"model", "regions", "accuracy", KEY}
    assert load_champion(root.open()).regions == tuple(card["regions"])


def test_the_same_model_again_stays_and_changes_no_file(root: Trained) -> None:
    before, stamp = root.paths.champion.read_bytes(), root.paths.champion.stat().st_mtime_ns
    gate = promote(root.open())
    assert gate.passed
    assert gate.challenger == gate.champion
    assert gate.difference.value == 0
    assert (root.paths.champion.read_bytes(), root.paths.champion.stat().st_mtime_ns) == (before, stamp)


def test_a_challenger_that_is_worse_is_refused_and_the_champion_stays(
    root: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    before = champion_hash(root.paths)
    worse = challenge(root, lambda model: with_bias(model, HAND, 50))  # says hand of everything
    logging.getLogger("raytruth").propagate = True
    with caplog.at_level(logging.WARNING, "raytruth"):
        gate = promote(root.open())
    assert not gate.passed
    assert any(reason.startswith("accuracy") for reason in gate.against)
    assert champion_hash(root.paths) == before
    assert not (root.paths.champions_dir / worse).exists()
    assert "not promoted" in caplog.text
    assert read_json(root.paths.metrics("champion"))["passed"] is False


def test_a_challenger_that_is_better_as_a_whole_but_loses_a_class_is_refused(root: Trained) -> None:
    better = load_model(root.paths.ensemble)
    challenge(root, lambda model: with_bias(model, HAND, 50), "a champion that is good at hands only")
    root.paths.champion.unlink()
    with pytest.raises(RayTruthError, match="most common class"):
        promote(root.open())
    weak = challenge(root, lambda model: with_bias(better, HAND, 1.5), "a champion that leans to hands")
    assert promote(root.open()).challenger == weak == champion_hash(root.paths)
    challenge(root, lambda model: with_bias(better, HAND, -50), "never says hand")
    gate = promote(root.open())
    assert not gate.passed
    assert any(reason.startswith("hand: recall 0.000") for reason in gate.against)
    assert champion_hash(root.paths) == weak


def test_a_small_class_is_not_held_against_a_challenger_but_accuracy_is(root: Trained) -> None:
    settings = root.settings.ensembling.model_copy(update={"min_class_images": 1000})
    challenge(root, lambda model: with_bias(model, HAND, -50))
    gate = promote(Root(root.paths, root.settings.model_copy(update={"ensembling": settings})))
    assert not any(":" in reason for reason in gate.against)
    assert gate.passed is (gate.difference.value >= 0)


def test_an_equal_challenger_with_other_files_is_promoted_and_the_old_one_kept(root: Trained) -> None:
    before = champion_hash(root.paths)
    name = challenge(root, lambda model: model, "the same heads, another card")
    gate = promote(root.open())
    assert gate.passed
    assert (champion_hash(root.paths), gate.champion) == (name, before)
    assert {p.name for p in root.paths.champions_dir.iterdir()} == {before, name}
    assert load_champion(root.open()).members


def test_the_gate_compares_on_the_test_split_of_every_class(root: Trained) -> None:
    gate = promote(root.open())
    assert [c.region for c in gate.classes] == ["shoulder", "elbow", "hand", "knee", "foot"]
    weighted = sum(c.images * c.challenger for c in gate.classes) / sum(c.images for c in gate.classes)
    assert gate.accuracy == pytest.approx(weighted)
    metrics = read_json(root.paths.metrics("ensemble"))
    assert gate.accuracy == pytest.approx(metrics["accuracy"]["1"]["value"])


@pytest.mark.parametrize("how", ["changed", "removed", "added"])
def test_meddling_with_the_champion_s_files_is_noticed(root: Trained, how: str) -> None:
    folder = champion_folder(root.paths)
    weights = folder / "heads.safetensors"
    if how == "changed":
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    elif how == "removed":
        weights.unlink()
    else:
        (folder / "more").touch()
    with pytest.raises(RayTruthError, match="missing or were changed") as error:
        load_champion(root.open())
    assert "dvc checkout" in error.value.do


def test_the_gate_too_refuses_to_compare_with_a_champion_that_was_changed(root: Trained) -> None:
    folder = champion_folder(root.paths)
    model = with_bias(load_model(folder), HAND, 50)
    shutil.rmtree(folder)
    save_model(folder, model, {})
    with pytest.raises(RayTruthError, match="missing or were changed"):
        promote(root.open())


def test_without_a_champion_there_is_a_word_on_what_to_do(root: Trained) -> None:
    root.paths.champion.unlink()
    assert champion_hash(root.paths) == ""
    with pytest.raises(RayTruthError, match="no champion yet") as error:
        load_champion(root.open())
    assert "raytruth promote" in error.value.do


def test_a_challenger_of_other_classes_than_the_root_s_cannot_be_compared(root: Trained) -> None:
    before = champion_hash(root.paths)
    challenge(root, lambda model: replace(model, regions=tuple(reversed(model.regions))))
    with pytest.raises(RayTruthError, match="the order differs") as error:
        promote(root.open())
    assert "models/ensemble" in error.value.where
    assert champion_hash(root.paths) == before


def test_a_champion_of_other_classes_than_the_root_s_is_no_champion_there(root: Trained) -> None:
    card = read_json(root.paths.champion)
    write_json(root.paths.champion, card | {"regions": [*card["regions"][:-1], "forefoot"]})
    for attempt in (load_champion, promote):
        with pytest.raises(RayTruthError, match="only the model has forefoot; the model lacks foot") as error:
            attempt(root.open())
        assert "models/champion.json" in error.value.where
        assert "train again" in error.value.do
