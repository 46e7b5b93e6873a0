"""Which device a profile runs on, and in which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import NetworkSettings


@dataclass(frozen=True)
class Processes:
    """The processes that train one encoder together. `rank` is this process's number; process 0 writes the files."""

    count: int = 1
    per_machine: int = 1
    rank: int = 0


def processes() -> Processes:
    """The processes that `torchrun` started, or only this process."""
    if not torch.distributed.is_torchelastic_launched():
        return Processes()
    return Processes(*(int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK")))


def device_of(profile: NetworkSettings) -> torch.device:
    """The profile's device. Raises RayTruthError if the profile needs a GPU and there is none, or too few."""
    if profile.device == "cuda" and not torch.cuda.is_available():
        raise RayTruthError(
            "The profile needs a CUDA GPU, and this machine has none",
            where="params.yaml: profile",
            do="choose the profile `quick`, or run on a GPU machine",
        )
    if profile.device == "cuda" and torch.cuda.device_count() < processes().per_machine:
        raise RayTruthError(
            f"{processes().per_machine} processes need one GPU each, and this machine has {torch.cuda.device_count()}",
            where="torchrun --nproc-per-node",
            do="start one process per GPU",
        )
    return torch.device(profile.device)


def bf16_pays(device: torch.device) -> bool:
    """Whether the device computes bfloat16 in hardware; elsewhere it is emulated and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def precision_of(device: torch.device) -> Literal["bf16-mixed", "32-true"]:
    """Lightning's name for the precision to train in."""
    return "bf16-mixed" if bf16_pays(device) else "32-true"
