"""Encoders from elsewhere in a root: tried before they are taken in, and used like those that were trained here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.archive import pattern
from support.encoders import REFERENCE
from support.onnx_networks import write_encoder
from support.trained import FIRST, Trained, trained_root

from dagster_project.core.atomic_io import content_hash, read_table
from dagster_project.core.errors import RayTruthError
from dagster_project.intake.root import Root
from dagster_project.label_quality.label_errors.find import find_label_errors
from dagster_project.label_quality.review.worklist import build_worklist
from dagster_project.learning.encoders import plugged_in as module
from dagster_project.learning.encoders.encoder import load_encoder
from dagster_project.learning.encoders.onnx_encoder import OnnxEncoder
from dagster_project.learning.encoders.plugged_in import add_encoder, check_plugged_in
from dagster_project.learning.encoders.plugged_in_on import plugged_in_on
from dagster_project.learning.ensembling.ensemble import build_ensemble
from dagster_project.learning.ensembling.export import check_onnx
from dagster_project.learning.ensembling.model import load_model
from dagster_project.learning.ensembling.onnx_model import write_onnx
from dagster_project.learning.evaluation.linear_evaluation import evaluate
from dagster_project.learning.pretraining.methods import CROSSFIT
from dagster_project.learning.pretraining.methods_on import (
    encoders_on,
    reference_encoder,
    self_supervised_on,
    similarity_encoder,
)
from dagster_project.learning.pretraining.pretrain import pretrain
from dagster_project.operations.monitoring.predict import predict_batch
from dagster_project.operations.retraining.gate import promote

ELSEWHERE = "plugged_in/elsewhere"


@pytest.fixture(scope="module")
def trained(made_once: Callable[..., Path]) -> Trained:
    return trained_root(made_once)


def with_encoders(trained: Trained, *names: str) -> Root:
    section = trained.settings.pretraining.model_copy(update={"plugged_in": names})
    return Root(trained.paths, trained.settings.model_copy(update={"pretraining": section}))


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Root:
    return with_encoders(trained.copied_to(tmp_path / "root"), "elsewhere")


def test_taken_in_it_is_complete_in_the_root(copy: Root, tmp_path: Path) -> None:
    folder = write_encoder(tmp_path / "elsewhere")
    tried = add_encoder(copy, folder)
    assert (tried.encoder, tried.images) == (ELSEWHERE, 24)
    assert tried.card["licence"] == "MIT"
    wanted = load_encoder(folder, "cpu").fingerprint
    shutil.rmtree(folder)
    assert load_encoder(copy.paths.encoder(ELSEWHERE), "cpu").fingerprint == wanted
    assert [trial.encoder for trial in check_plugged_in(copy)] == [ELSEWHERE]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("nan", "gives values that are not finite"),
        ("constant", "gives the same embedding for all images"),
        ("random", "gives other embeddings in a second run"),
        ("others", "gives an image other embeddings next to other images"),
        ("wide", "gives float32 (1, 100000), not float32 (1, 12)"),
        ("loop", "takes more than 0.5 seconds"),
    ],
)
def test_one_that_fails_its_trial_is_not_taken_in(
    copy: Root, tmp_path: Path, fault: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SLOWEST", 0.5)
    with pytest.raises(RayTruthError) as error:
        add_encoder(copy, write_encoder(tmp_path / "elsewhere", fault))
    assert says in str(error.value)
    assert not copy.paths.encoder(ELSEWHERE).exists()


def test_a_second_encoder_of_a_name_is_refused_and_the_same_again_is_not(copy: Root, tmp_path: Path) -> None:
    add_encoder(copy, write_encoder(tmp_path / "elsewhere"))
    add_encoder(copy, tmp_path / "elsewhere")
    with pytest.raises(RayTruthError, match="another encoder of the name elsewhere"):
        add_encoder(
            copy, write_encoder(tmp_path / "other" / "elsewhere", normalisation={"mean": [0] * 3, "std": [1] * 3})
        )
    assert load_encoder(copy.paths.encoder(ELSEWHERE), "cpu").facts.normalisation.mean == [0.5] * 3


@pytest.mark.parametrize("name", ["RAD-DINO", "my encoder", "1st"])
def test_a_name_that_is_no_file_name_everywhere_is_refused(copy: Root, tmp_path: Path, name: str) -> None:
    with pytest.raises(RayTruthError, match="small letters"):
        add_encoder(copy, write_encoder(tmp_path / name))


def test_a_folder_without_a_card_and_one_that_is_missing_say_what_to_do(copy: Root, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for attempt in (lambda: add_encoder(copy, tmp_path / "empty"), lambda: check_plugged_in(copy)):
        with pytest.raises(RayTruthError, match="raytruth add-encoder FOLDER"):
            attempt()


def test_a_name_that_stands_twice_in_the_settings_is_refused(trained: Trained) -> None:
    with pytest.raises(RayTruthError, match="twice"):
        plugged_in_on(with_encoders(trained, "elsewhere", "elsewhere").settings)


def test_it_counts_as_an_encoder_that_has_seen_no_label(trained: Trained) -> None:
    settings = with_encoders(trained, "elsewhere").settings
    assert encoders_on(settings)[-1] == self_supervised_on(settings)[-1] == similarity_encoder(settings) == ELSEWHERE
    assert reference_encoder(settings) == similarity_encoder(trained.settings) == REFERENCE


@pytest.mark.slow
def test_every_stage_uses_it(copy: Root, tmp_path: Path) -> None:
    add_encoder(copy, write_encoder(tmp_path / "elsewhere"))
    assert ELSEWHERE in [found.encoder for found in evaluate(copy)]
    summary = build_ensemble(copy)
    assert ELSEWHERE in summary.weights or "joint_probe" in summary.weights
    assert summary.training is not None
    assert summary.training.encoder == ELSEWHERE
    assert summary.training.alone.value + summary.training.gain.value == pytest.approx(summary.accuracy.value)
    find_label_errors(copy)
    assert ELSEWHERE in set(read_table(copy.paths.oof_predictions)["oof_model"])
    build_worklist(copy)
    shutil.rmtree(copy.paths.plugged_in)  # a model has its own copy
    model = load_model(copy.paths.ensemble)
    assert ELSEWHERE in model.encoders
    write_onnx(tmp_path / "model.onnx", model, {})
    images = np.stack([pattern(k % 6, np.random.default_rng(k)) for k in range(40)])
    assert check_onnx(tmp_path / "model.onnx", model, images).probabilities < 1e-4


@pytest.mark.slow
def test_without_training_it_carries_the_whole_chain(
    copy: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = copy.settings.profiles | {"frozen": copy.settings.learning.model_copy(update={"methods": {}})}
    frozen = replace(copy, settings=copy.settings.model_copy(update={"profile": "frozen", "profiles": profiles}))
    trained_before = content_hash(copy.paths.encoder(REFERENCE))
    shutil.rmtree(copy.paths.encoder(CROSSFIT.encoder))
    assert pretrain(frozen, "simclr", "crossfit") == []
    assert content_hash(copy.paths.encoder(REFERENCE)) == trained_before
    with pytest.raises(RayTruthError, match="has not been pretrained"):  # DVC has its folder all the same
        load_encoder(copy.paths.encoder(CROSSFIT.encoder), "cpu")
    add_encoder(frozen, write_encoder(tmp_path / "elsewhere"))
    assert [found.encoder for found in evaluate(frozen)] == [ELSEWHERE]
    summary = build_ensemble(frozen)
    assert (summary.weights, summary.training) == ({ELSEWHERE: 1.0}, None)
    copy.paths.champion.unlink()  # it might win against this encoder
    promote(frozen)
    kinds = find_label_errors(frozen).kinds
    assert kinds["wrong_label"] > 0
    assert set(read_table(copy.paths.oof_predictions)["oof_model"]) == {ELSEWHERE, "one_scale", "neighbours"}
    build_worklist(frozen)
    monkeypatch.setattr(OnnxEncoder, "embed", lambda *_: pytest.fail("an image is embedded a second time"))
    evaluate(frozen)
    assert len(predict_batch(frozen, FIRST)) == len(read_table(copy.paths.headers(FIRST)))


@pytest.mark.slow
def test_the_imagenet_encoder_is_made_where_it_is_missing_and_kept(trained: Trained, tmp_path: Path) -> None:
    root = with_encoders(trained.copied_to(tmp_path / "root"), "imagenet")
    (tried,) = check_plugged_in(root)
    card = root.paths.encoder("plugged_in/imagenet") / "card.json"
    made = card.stat().st_mtime_ns
    assert (tried.card["embedding size"], tried.card["licence"]) == (1280, "Apache-2.0")
    check_plugged_in(root)
    assert card.stat().st_mtime_ns == made
