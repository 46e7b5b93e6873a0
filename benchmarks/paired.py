"""CPU time of several ways to do the same with a file, in turn, so that a busy machine is busy for all of them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.results import spread

OURS = "ours"
Way = Callable[[Path], object]


def processor_seconds() -> float:
    """CPU seconds of this process, its children, and the ended children of these so far.

    Workers are children of the server that forks them, which ends after this process.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = sum(sum(child.cpu_times()[:4]) for child in psutil.Process().children())
    return time.process_time() + ended.ru_utime + ended.ru_stime + living


def compare(ways: Mapping[str, Way], files: Sequence[Path], rounds: int) -> pd.DataFrame:
    """One row per way: CPU milliseconds per file, files/s per core, and the ratio of the first way's rate to this rate.

    A round does every file once in each way, in an order that rotates with every file. A ratio is taken within a round:
    minimum, median and maximum over the rounds. One file warms up and is not counted.
    """
    names, seconds = list(ways), {name: [0.0] * rounds for name in ways}
    for name in names:
        ways[name](files[0])
    for turn in range(rounds):
        for place, file in enumerate(files):
            first = (turn + place) % len(names)
            for name in names[first:] + names[:first]:
                started = processor_seconds()
                ways[name](file)
                seconds[name][turn] += processor_seconds() - started
    rows = []
    for name, found in seconds.items():
        milliseconds = spread([1000 * s / len(files) for s in found])
        ratios = spread([other / own for own, other in zip(seconds[names[0]], found, strict=True)])
        row = {"way": name, "files": len(files), "rounds": rounds, "cpu_ms_median": milliseconds["median"]}
        row["files_per_core_second"] = 1000 / milliseconds["median"]
        rows.append(row | {f"ratio_{k}": v for k, v in ratios.items()})
    return pd.DataFrame(rows)
