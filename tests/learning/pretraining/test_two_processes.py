"""Two processes that torchrun starts train as one does: losses, gradients, weights; and only the first one writes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.archive import patients_of, put_batch, write_regions
from support.recorded import BATCH, record
from support.roots import settings_of, small_root

from dagster_project.core.atomic_io import read_json
from dagster_project.core.settings.settings import Profile
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.pretrain import pretrain

pytestmark = pytest.mark.slow

# two processes' size, and the one with which one process does the same: batch norm sees a process's share at most
MICRO_BATCHES = {4: 4, "batch": BATCH // 2}


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine."""
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*start, *arguments], env=environment, capture_output=True, text=True, timeout=300)


def test_the_first_of_two_processes_speaks_and_writes(tmp_path: Path) -> None:
    paths = small_root(
        tmp_path / "root", write_regions(tmp_path / "r.yaml"), profiles__quick__methods__simclr__epochs=1
    )
    put_batch(paths, "b", *patients_of([0, 1, 2] * 12, seed=3))
    settings = settings_of(paths)
    build_training_set(Root(paths, settings))
    raytruth = str(Path(sys.executable).with_name("raytruth"))
    ended = torchrun("--no-python", raytruth, "--root", str(paths.root), "pretrain", "simclr")
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert len(re.findall("encoder_simclr", ended.stdout)) == 1
    assert len(re.findall("epoch 1 of 1", ended.stderr)) == 1
    folder = paths.encoder("encoder_simclr")
    assert read_json(folder / "card.json")["processes"] == 2
    assert sorted(p.name for p in folder.parent.glob("*enc*")) == ["encoder_simclr"]
    assert not list(paths.checkpoints("encoder_simclr").rglob("*.ckpt"))
    stamp = (folder / "card.json").stat().st_mtime_ns
    pretrain(Root(paths, settings), "simclr")
    assert (folder / "card.json").stat().st_mtime_ns == stamp, "one process keeps what two have made of the same"


def test_another_than_the_first_process_trains_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = small_root(tmp_path / "root", write_regions(tmp_path / "r.yaml"))
    put_batch(paths, "b", *patients_of([0, 1, 2] * 12, seed=3))
    build_training_set(Root(paths, settings_of(paths)))
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("dagster_project.learning.pretraining.encoder.train_encoder", lambda *_: (None, [2.0, 1.0]))
    before = sorted(paths.root.rglob("*"))
    assert pretrain(Root(paths, settings_of(paths)), "supcon")[0].curve == [2.0, 1.0]
    assert sorted(paths.root.rglob("*")) == before


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[int | str, tuple[dict, dict, dict]]:
    """By size: what one process found, and what each of two did."""
    folder = tmp_path_factory.mktemp("recorded")
    small = settings_of(small_root(folder / "root")).learning.model_copy(update={"batch_size": BATCH})
    together, alone = [], {}
    for size, alone_size in MICRO_BATCHES.items():
        for name, own in (("together", size), ("alone", alone_size)):
            place = folder / f"{name}_{size}"
            place.mkdir()
            profile = Profile.model_validate(small.model_dump() | {"micro_batch_size": own})
            (place / "profile.json").write_text(profile.model_dump_json())
        together.append(str(folder / f"together_{size}"))
        alone[size] = torch.load(record(folder / f"alone_{size}", profile))
    ended = torchrun("-m", "support.recorded", *together)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {
        size: (alone[size], *(torch.load(Path(place) / f"rank_{rank}.pt") for rank in range(2)))
        for size, place in zip(MICRO_BATCHES, together, strict=True)
    }


@pytest.mark.parametrize("size", MICRO_BATCHES)
@pytest.mark.parametrize("method", METHODS)
def test_two_processes_learn_what_one_learns(recorded: dict, size: int | str, method: str) -> None:
    alone, *both = (found[method] for found in recorded[size])
    for found in both:
        assert found["curve"] == pytest.approx(alone["curve"], rel=1e-9), "every process has the whole batch's loss"
        assert len(found["gradients"]) == len(alone["gradients"]) == 2
        for got, want in zip(found["gradients"], alone["gradients"], strict=True):
            torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(dict(both[0]["weights"]), dict(alone["weights"]), rtol=1e-7, atol=1e-10)
