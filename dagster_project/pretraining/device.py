"""Which device a profile runs on, and in which precision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from dagster_project.errors import RayTruthError
from dagster_project.params import Profile


def device_of(profile: Profile) -> torch.device:
    """The profile's device. Raises RayTruthError if it wants a GPU and there is none."""
    if profile.device == "cuda" and not torch.cuda.is_available():
        raise RayTruthError(
            "The profile wants a CUDA GPU and this machine offers none",
            where="params.yaml: profile",
            do="choose the profile `quick`, or run on a GPU machine",
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
