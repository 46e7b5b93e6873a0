"""Encoders trained at once in processes of their own: the same encoders, and none that outlives a failure."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from support.archive import patients_of, put_batch, write_regions
from support.roots import settings_of, small_root
from support.waiting import say_and_wait

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.learning.encoders.cpu_parallelism import encoders_at_once, few_threads
from dagster_project.learning.pretraining.encoder import pretrain_encoder
from dagster_project.learning.pretraining.pretrain import _send, pretrain

pytestmark = pytest.mark.slow
TWO = ("encoder_simclr", "encoder_supcon")
SOON = 180.0  # seconds within which something that must happen has happened, on the slowest machine


def root_of(folder: Path, **changes: object) -> Paths:
    paths = small_root(folder / "root", write_regions(folder / "r.yaml"), **changes)
    put_batch(paths, "b", *patients_of([0, 1, 2] * 12, seed=3))
    build_training_set(Root(paths, settings_of(paths)))
    return paths


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_project.learning.encoders.cpu_parallelism._cores", lambda: 2)


def test_side_by_side_they_become_what_each_becomes_alone(
    tmp_path: Path, two_cores: None, caplog: pytest.LogCaptureFixture
) -> None:
    paths = root_of(tmp_path)
    settings = settings_of(paths)
    with caplog.at_level(logging.INFO, logger="raytruth"):
        summaries = pretrain(Root(paths, settings), "simclr", "supcon")
    assert [s.name for s in summaries] == list(TWO)
    assert {name for name in TWO if f"{name}: epoch" in caplog.text} == set(TWO), "their progress is shown here"
    together = {name: content_hash(paths.encoder(name)) for name in TWO}
    for name in TWO:
        (paths.encoder(name) / "card.json").unlink()
        pretrain_encoder(Root(paths, settings), name)
    assert {name: content_hash(paths.encoder(name)) for name in TWO} == together


def test_no_process_starts_for_encoders_that_are_up_to_date(
    tmp_path: Path, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = root_of(tmp_path)
    root = Root(paths, settings_of(paths))
    trained = [pretrain_encoder(root, name) for name in TWO]
    for starts_or_imports in ("_start", "_pretrain_encoder"):
        monkeypatch.setattr(f"dagster_project.learning.pretraining.pretrain.{starts_or_imports}", None)
    assert [s.name for s in pretrain(root, "simclr", "supcon")] == [s.name for s in trained]
    assert [s.name for s in pretrain(root, "simclr")] == [trained[0].name], "alone, as `raytruth run` asks again"


def test_a_process_that_is_gone_before_its_next_encoder_is_named() -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=int)
    process.start()
    process.join()
    there.close()
    with pytest.raises(RayTruthError, match="process of encoder_simclr ended unexpectedly"):
        _send(here, "encoder_simclr", process)


def test_an_error_of_one_comes_back_whole(tmp_path: Path, two_cores: None) -> None:
    paths = root_of(tmp_path, profiles__quick__methods__simclr__learning_rate=1e30)
    with pytest.raises(RayTruthError, match=r"loss became|no number") as error:
        pretrain(Root(paths, settings_of(paths)), "simclr", "supcon")
    assert error.value.where == "encoder_simclr"
    assert "learning_rate" in error.value.do


@pytest.fixture
def long_training(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    paths = root_of(
        tmp_path, profiles__quick__methods__simclr__epochs=9999, profiles__quick__methods__supcon__epochs=9999
    )
    script = (
        "import dagster_project.learning.encoders.cpu_parallelism as threads\n"
        "threads._cores = lambda: 2\n"
        "from dagster_project.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "--root", str(paths.root), "pretrain", "simclr", "supcon"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(paths.checkpoints("x").parent.rglob("last.ckpt"))) == 2)
    yield process
    process.kill()
    process.wait()


def until(happened) -> None:
    end = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


def trainers(parent: int) -> list[psutil.Process]:
    found = [p for p in psutil.Process(parent).children() if "spawn_main" in " ".join(p.cmdline())]
    return sorted(found, key=lambda p: p.create_time())


def test_none_outlives_a_killed_parent(long_training: subprocess.Popen[str]) -> None:
    at_work = trainers(long_training.pid)
    assert len(at_work) == 2
    os.kill(long_training.pid, signal.SIGKILL)
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in at_work))


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_is_killed_is_named_and_stops_the_others(
    which: int, tmp_path: Path, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They only say that they are there: what they would import and train takes a minute.
    monkeypatch.setattr("dagster_project.learning.pretraining.pretrain._train", say_and_wait)
    paths = root_of(tmp_path)
    messages, at_work = logging.getLogger("there"), list[psutil.Process]()

    def kill(_: logging.LogRecord) -> bool:
        if not at_work and len(found := trainers(os.getpid())) == 2:
            at_work.extend(found)
            found[which].kill()
        return False

    messages.addFilter(kill)
    try:
        with pytest.raises(RayTruthError, match=f"process of {TWO[which]} ended unexpectedly"):
            pretrain(Root(paths, settings_of(paths)), "simclr", "supcon")
    finally:
        messages.removeFilter(kill)
    assert len(at_work) == 2
    assert not any(p.is_running() for p in at_work)


def test_a_gpu_trains_one_at_a_time_and_a_cpu_one_a_core(two_cores: None, tmp_path: Path) -> None:
    profile = settings_of(small_root(tmp_path / "root")).learning
    assert encoders_at_once(profile) == 2
    assert encoders_at_once(profile.model_copy(update={"device": "cuda"})) == 1


def test_an_encoder_among_others_computes_on_few_threads_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagster_project.learning.encoders.cpu_parallelism._cores", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with few_threads(torch.device("cpu")):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
