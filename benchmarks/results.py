"""The file of a benchmark's result: `benchmarks/results/<name>_<hardware>_<git version>.csv`."""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.settings.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).with_suffix("")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with the option of all benchmarks: `--out`, the folder for the result."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the CSV (default: benchmarks/results)")
    return parser


def shipped_settings() -> Settings:
    """The settings in the repository's own params.yaml."""
    return load_settings(ROOT / "params.yaml")


def hardware(device: str = "cpu") -> str:
    """The GPU's or the processor's name with its threads in use, fit for a file name: `amd-epyc-2-threads`."""
    import torch  # here, because worker processes of a benchmark import this module again

    if device == "cuda":
        return _plain(torch.cuda.get_device_name())
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    name = named[1] if named else platform.processor() or platform.machine()
    return _plain(f"{name} {torch.get_num_threads()} threads")


def code_version() -> str:
    """Git's short hash, with `-changed` if the working tree differs from it; `nogit` outside a repository."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=-changed"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "nogit"


def save(table: pd.DataFrame, name: str, folder: Path, device: str = "cpu") -> Path:
    """Print the table, write it as CSV, and return the file's path."""
    print(f"\n{table.to_string(index=False, float_format='%.4g')}")
    path = folder / f"{name}_{hardware(device)}_{code_version()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.5g")
    print(f"\nwritten: {path}")
    return path


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum of some values."""
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
