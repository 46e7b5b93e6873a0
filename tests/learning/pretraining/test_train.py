"""One training run: the same bits from the same seed, also after being killed; plain words when it cannot go on."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.archive import pattern
from support.encoders import with_method
from support.roots import settings_of, small_root

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.device import device_of
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.train import Run, checkpoint_folder, train_encoder

EPOCHS = 4


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    small = settings_of(small_root(tmp_path_factory.mktemp("train") / "root")).learning
    return small.model_copy(update={"batch_size": 16})


def a_run(method: str, *, epochs: int = EPOCHS, count: int = 40, seed: int = 5) -> Run:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 4 - 1
    images = np.stack([pattern(int(k) + 1, rng, 40) for k in labels]) if count else np.empty((0, 40, 40), np.uint8)
    return Run("encoder", method, epochs, seed, images, labels)


def bits(backbone: torch.nn.Module) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in backbone.state_dict().items()}


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_weights_and_another_others(profile: Profile, method: str, tmp_path: Path) -> None:
    run = a_run(method, epochs=2)
    first, curve = train_encoder(run, profile, tmp_path / "a")
    torch.manual_seed(99)  # whatever was drawn before
    np.random.seed(99)
    second, again = train_encoder(run, profile, tmp_path / "b")
    assert bits(first) == bits(second)
    assert curve == again
    assert len(curve) == 2
    other, _ = train_encoder(replace(run, seed=6), profile, tmp_path / "c")
    assert bits(other) != bits(first)
    assert not first.training


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch_size", ["batch", 4])
def test_a_killed_run_goes_on_to_the_very_weights_of_an_unbroken_one(
    profile: Profile, micro_batch_size: int | str, tmp_path: Path
) -> None:
    run, profile = a_run("byol", epochs=10), profile.model_copy(update={"micro_batch_size": micro_batch_size})
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    # Forked: one that starts from nothing would import torch and Lightning for longer than it trains.
    process = multiprocessing.get_context("fork").Process(target=train_encoder, args=(run, profile, checkpoint.parent))
    process.start()
    while not checkpoint.exists() and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -9, "it was to be killed under way"
    assert torch.load(checkpoint, weights_only=True)["epoch"] < 9
    assert_goes_on(run, profile, tmp_path / "checkpoints", tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_so_does_one_that_somebody_stopped_by_ctrl_c(profile: Profile, method: str, tmp_path: Path) -> None:
    run, log = a_run(method), logging.getLogger("raytruth")

    class CtrlC(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "epoch 3" in record.getMessage():
                os.kill(os.getpid(), signal.SIGINT)

    handler, level = CtrlC(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_encoder(run, profile, tmp_path / "checkpoints")
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert_goes_on(run, profile, tmp_path / "checkpoints", tmp_path / "unbroken")


def assert_goes_on(run: Run, profile: Profile, checkpoints: Path, elsewhere: Path) -> None:
    """That the run goes on from its checkpoint and ends as one that started from nothing."""
    epochs_before = torch.load(checkpoints / "last.ckpt", weights_only=True)["curve"]
    resumed, curve = train_encoder(run, profile, checkpoints)
    unbroken, whole = train_encoder(run, profile, elsewhere)
    assert 0 < len(epochs_before) < len(whole) == run.epochs
    assert curve == whole
    assert bits(resumed) == bits(unbroken)
    assert not checkpoints.exists()


def test_a_loss_that_is_no_number_ends_the_run_and_says_what_to_do(profile: Profile, tmp_path: Path) -> None:
    wild = with_method(profile, "simclr", learning_rate=1e30)
    with pytest.raises(RayTruthError, match="loss became") as error:
        train_encoder(a_run("simclr", epochs=20), wild, tmp_path)
    assert error.value.where == "encoder"
    assert "learning_rate" in error.value.do


@pytest.mark.parametrize("count", [0, 7])
def test_too_few_images_are_an_error_that_counts_them(profile: Profile, count: int, tmp_path: Path) -> None:
    with pytest.raises(RayTruthError, match=f"^{count} images are too few"):
        train_encoder(a_run("simclr", count=count), profile, tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_fewer_images_than_a_batch_make_one_batch_of_all_and_it_says_so(
    profile: Profile, method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("raytruth").propagate = True
    _, curve = train_encoder(a_run(method, count=9, epochs=2), profile, tmp_path)
    assert "encoder: 9 images are too few for the profile's batch of 16; training uses batches of 9" in caplog.text
    assert len(curve) == 2
    assert np.isfinite(curve).all()


def test_without_the_gpu_that_the_profile_wants_it_says_so(profile: Profile, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(RayTruthError, match="CUDA"):
        train_encoder(a_run("simclr"), profile.model_copy(update={"device": "cuda"}), tmp_path)


@pytest.mark.parametrize("process", range(2))
def test_two_processes_need_two_gpus(profile: Profile, process: int, monkeypatch: pytest.MonkeyPatch) -> None:
    as_torchrun_starts(monkeypatch, rank=process)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(RayTruthError, match="2 processes need one GPU each, and this machine has 1"):
        device_of(profile.model_copy(update={"device": "cuda"}))


def as_torchrun_starts(monkeypatch: pytest.MonkeyPatch, *, rank: int) -> None:
    """One of four processes, two a machine."""
    started = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": str(rank)}
    for name, value in started.items():
        monkeypatch.setenv(name, value)


def test_checkpoints_of_other_data_are_removed_and_one_s_own_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("raytruth").propagate = True
    for name in ("mine", "stale"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.ckpt").touch()
    with monkeypatch.context() as second, caplog.at_level(logging.INFO, "raytruth"):
        as_torchrun_starts(second, rank=1)
        assert checkpoint_folder(tmp_path, "mine") == tmp_path / "mine"
        assert (tmp_path / "stale").exists(), "the first process removes it, and says so"
        assert not caplog.text
    with caplog.at_level(logging.INFO, "raytruth"):
        assert checkpoint_folder(tmp_path, "mine") == tmp_path / "mine"
    assert f"removed a checkpoint of other data or settings: {tmp_path.name}" in caplog.text
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["mine", "mine/last.ckpt"]
