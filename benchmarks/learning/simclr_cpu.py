"""Images per second of SimCLR pretraining on a CPU, against a plain pipeline as a user would write it.

    python -m benchmarks.learning.simclr_cpu [--images 1024] [--rounds 4]

Network, image size, batch and method are the same (profile `quick`). A round trains each pipeline for one epoch from
nothing, one after the other, in an order that rotates with the round; a ratio is taken within a round. The start counts
on both sides: Lightning and its checkpoint for RayTruth, the workers for the plain pipeline. The plain pipelines train
in float32; `monai, tuned` is MONAI's in RayTruth's precision and memory format (if bfloat16 pays on this machine). On
both sides the images are in memory at RayTruth's reduced size, so the plain pipeline need not read and reduce them.
Goal: 3 times the plain pipeline.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.learning.plain_pipeline import pretrain_plainly
from benchmarks.results import arguments, save, shipped_settings, spread
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.device import bf16_pays
from dagster_project.learning.pretraining.plan import SOURCE_MARGIN
from dagster_project.learning.pretraining.train import Run, train_encoder

GOAL = 3.0
OURS = "ours"


def compare(profile: Profile, images: int, rounds: int, seed: int) -> pd.DataFrame:
    """One row per pipeline: images per second (each in two views) and RayTruth's ratio to it: minimum, median, maximum.

    The first round warms up and is not counted.
    """
    side = round(profile.input_size * SOURCE_MARGIN)
    drawn = np.random.default_rng(seed).integers(0, 256, (images, side, side), dtype=np.uint8)
    pipelines = _pipelines(profile, drawn, seed)
    counted = images // profile.batch_size * profile.batch_size  # all leave out incomplete batches
    speeds: dict[str, list[float]] = {name: [] for name in pipelines}
    for turn in range(rounds + 1):
        names = list(pipelines)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            pipelines[name]()
            speed = counted / (time.perf_counter() - started)
            print(f"round {turn}{' (warms up)' if turn == 0 else ''}: {name}: {speed:.1f} images/s", flush=True)
            if turn:
                speeds[name].append(speed)
    rows = []
    for name, found in speeds.items():
        ratios = [own / other for own, other in zip(speeds[OURS], found, strict=True)]
        row = {
            "pipeline": name,
            "input_size": profile.input_size,
            "width": profile.width,
            "batch_size": profile.batch_size,
            "rounds": rounds,
        }
        row |= {f"images_per_second_{k}": v for k, v in spread(found).items()}
        rows.append(row | {f"ratio_{k}": v for k, v in spread(ratios).items()})
    return pd.DataFrame(rows)


def _pipelines(profile: Profile, images: np.ndarray, seed: int) -> dict[str, Callable[[], object]]:
    def ours() -> None:
        run = Run(OURS, "simclr", 1, seed, images, np.full(len(images), -1))
        with tempfile.TemporaryDirectory() as folder:
            train_encoder(run, profile, Path(folder))

    plain = {kind: partial(pretrain_plainly, images, profile, 1, seed, kind) for kind in ("monai", "pillow")}
    if bf16_pays(torch.device("cpu")):
        plain["monai, tuned"] = partial(pretrain_plainly, images, profile, 1, seed, "monai", tuned=True)
    return {OURS: ours, **plain}


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    settings = shipped_settings()
    table = compare(settings.profiles["quick"], args.images, args.rounds, settings.seed)
    save(table, "simclr_cpu", args.out)
    for row in table[table["pipeline"] != OURS].itertuples():
        met = "met" if row.ratio_median >= GOAL else "missed"
        least, most = f"{row.ratio_min:.2f}", f"{row.ratio_max:.2f}"
        print(f"{row.ratio_median:.2f} times {row.pipeline} ({least} to {most}); goal {GOAL:g}: {met}")


if __name__ == "__main__":
    main()
