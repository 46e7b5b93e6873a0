"""Reads damaged radiographs for as long as told: `PYTHONPATH=tests python -m support.fuzz --minutes 10 --keep DIR`.

Files that crash a decoder, reach a limit or take long are kept in DIR, to become tests.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from dagster_project.intake.ingestion.headers.header_reader import Identity
from dagster_project.intake.ingestion.headers.reasons import REASONS, RefusedFile, verdict_of
from dagster_project.intake.ingestion.headers.sandbox import Limits, contained_map
from support.mutations import Recipe, random_recipe
from support.readers import SIDE, Outcome, outcome, source_file

LIMITS = Limits(2, 2048, 20)
LONG = 5.0  # s; a file that takes longer is kept
_BLOCK = 400


@dataclass(frozen=True)
class Judged:
    """What became of one damaged file, in how many seconds."""

    path: Path
    reasons: list[str]
    seconds: float

    @property
    def ended_a_worker(self) -> bool:
        return self.reasons in (["decoder_crashed"], ["too_slow"], ["too_large"]) and self.seconds == 0


def judge(paths: list[Path], limits: Limits = LIMITS) -> list[Judged]:
    """Both passes over every file, in worker processes; raises AssertionError for what is no proper outcome."""
    found = contained_map(_timed, paths, limits, chunk=8)
    judged = []
    for path, result in zip(paths, found, strict=True):
        if isinstance(result, RefusedFile):
            judged.append(Judged(path, [result.reason], 0.0))
        else:
            check(result[0])
            judged.append(Judged(path, sorted(result[0].reasons), result[1]))
    return judged


def check(found: Outcome) -> None:
    """One documented verdict, with an image and a row just if the file is used."""
    assert found.reasons <= set(REASONS), found.reasons
    assert found.verdict == verdict_of(sorted(found.reasons))
    used = found.verdict.startswith("accept")
    assert used == (found.image is not None), found
    if used:
        assert found.row is not None
        assert found.image is not None
        assert (found.image.shape, found.image.dtype) == ((SIDE, SIDE), np.uint8)
        assert not set(found.row) & set(Identity.__annotations__)


def _timed(path: Path) -> tuple[Outcome, float]:
    started = time.perf_counter()
    found = outcome(source_file(path))
    return found, time.perf_counter() - started


def _blocks(folder: Path, seed: int, until: float) -> Iterator[tuple[list[Recipe], list[Path]]]:
    random = Random(seed)
    while time.monotonic() < until:
        recipes = [random_recipe(random) for _ in range(_BLOCK)]
        yield recipes, [write(recipe, folder / f"{number}.dcm") for number, recipe in enumerate(recipes)]


def write(recipe: Recipe, path: Path) -> Path:
    """Write the damaged file."""
    path.write_bytes(recipe.made())
    return path


def main() -> None:
    """Run, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    files = deaths = 0
    slowest = 0.0
    with TemporaryDirectory() as folder:
        for recipes, paths in _blocks(Path(folder), options.seed, time.monotonic() + options.minutes * 60):
            for recipe, judged in zip(recipes, judge(paths), strict=True):
                files += 1
                verdicts[verdict_of(judged.reasons)] += 1
                reasons.update(judged.reasons)
                slowest = max(slowest, judged.seconds)
                deaths += judged.ended_a_worker
                if judged.ended_a_worker or judged.seconds > LONG:
                    name = f"{options.seed}-{files}-{'-'.join(judged.reasons)}.dcm"
                    (options.keep / name).write_bytes(judged.path.read_bytes())
                    print(judged.reasons, f"{judged.seconds:.1f} s", recipe, flush=True)
    print(f"{files} files, {deaths} ended a worker, slowest other {slowest:.2f} s")
    print("verdicts:", dict(verdicts.most_common()))
    print("reasons:", dict(reasons.most_common()))


if __name__ == "__main__":
    main()
