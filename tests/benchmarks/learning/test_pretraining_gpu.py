"""The GPU benchmark, tiny and on a CPU: every loop runs, counts its steps, and lightly's absence is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.learning import pretraining_gpu
from benchmarks.learning.pretraining_gpu import METHODS, Clock, Plan, main


@pytest.mark.slow
def test_it_runs_from_the_command_line_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pretraining_gpu, "lacking", lambda: ["lightly (none)"])
    settings = {
        "input-size": 32,
        "width": 8,
        "batch-size": 8,
        "images": 24,
        "warmup": 1,
        "steps": 3,
        "rounds": 2,
        "out": tmp_path,
    }
    size = [f"--{name}={value}" for name, value in settings.items()]
    monkeypatch.setattr(sys, "argv", ["pretraining_gpu", "--device=cpu", *size])
    main()
    (path,) = tmp_path.glob("pretraining_gpu_*.csv")
    table = pd.read_csv(path)
    assert set(zip(table["network"], table["method"], strict=True)) == {
        (network, method) for network in ("resnet18", "resnet50") for method in METHODS
    }
    assert (table[["images_per_second_min", "ceiling_median", "of_ceiling_min"]] > 0).all(axis=None)
    assert "lightly's loop is left out: lightly (none)" in capsys.readouterr().out


def test_the_clock_times_the_steps_after_the_warm_up_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    now = iter([10.0, 17.0])
    monkeypatch.setattr(pretraining_gpu.time, "perf_counter", lambda: next(now))
    clock = Clock(Plan(8, warmup=2, steps=3, rounds=1, compiled=False))
    for step in range(1, 6):
        assert clock.seconds == 0
        clock.step_ends(step, torch.device("cpu"))
    assert clock.seconds == 7
