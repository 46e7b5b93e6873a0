"""Processor time of several ways to do the same with a file, in turn, a busy machine is then busy for all."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.results import spread

OURS = "ours"
Way = Callable[[Path], object]


def processor_seconds() -> float:
    """What this process and those of its children that have ended took so far."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def compare(ways: Mapping[str, Way], files: Sequence[Path], rounds: int) -> pd.DataFrame:
    """One row a way: processor milliseconds a file, files/s of a core so, and the first way's rate over this one's.

    A round does every file once in each way, in an order that turns with every file; a ratio is taken within a round,
    least, median and greatest over the rounds. One file warms up and is not counted.
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
