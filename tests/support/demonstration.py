"""`raytruth demo` on a folder, twice, in a process of its own: Dagster's definitions read the root once a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dagster_project.core.atomic_io import read_json, write_json
from dagster_project.core.paths import Paths
from support.encoders import ENCODERS
from support.whole_chain import NORTH, learning_root, raytruth_here

_PATIENTS = 30  # of the first hospital, were it not there already; the second has a third of them


@dataclass(frozen=True)
class Demonstration:
    """What the two runs left in `folder`."""

    folder: Path

    @property
    def paths(self) -> Paths:
        """The root of the demonstration."""
        return Paths(self.folder / "demo")

    @property
    def before_south(self) -> Paths:
        """A copy of the root without Dagster's history, from when all was learned and no second batch had come."""
        return Paths(self.folder / "before_south")

    def said(self, run: int) -> str:
        """What the first (0) or second (1) run printed."""
        return (self.folder / f"said-{run}.txt").read_text()

    def written(self, run: int) -> dict[str, int]:
        """When each encoder's weights were written, as the first or second run left them, in ns."""
        return read_json(self.folder / f"written-{run}.json")


def demonstrate(folder: Path, hospital: Path) -> None:
    """Run the demonstration twice on `folder`/demo. Its first hospital is `hospital`, its settings learn quickly."""
    root = learning_root(folder / "demo").root
    (root / "hospital").mkdir()
    (root / "hospital" / NORTH).symlink_to(hospital)
    command = [sys.executable, "-m", "support.demonstration", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def _demonstrate(made: Demonstration) -> None:
    from dagster_project.cli.init import dagster_environment

    os.environ.update(dagster_environment(made.paths))
    from dagster_project import definitions
    from dagster_project.learning.encoders import cpu_parallelism

    cpu_parallelism._cores = lambda: 1  # the tests' own processes keep the cores busy
    execute = definitions.execute

    def and_copy(job: str, batch: str | None = None) -> dict[str, float]:
        seconds = execute(job, batch)
        if (job, batch) == ("monitor_batch", NORTH) and not made.before_south.root.exists():
            history = shutil.ignore_patterns(made.paths.dagster_home.name, "hospital")
            shutil.copytree(made.paths.root, made.before_south.root, symlinks=True, ignore=history)
        return seconds

    definitions.execute = and_copy
    for run in range(2):
        done = raytruth_here("demo", made.paths.root, "--patients", _PATIENTS)
        assert done.returncode == 0, done.stderr[-3000:]
        (made.folder / f"said-{run}.txt").write_text(done.stdout + done.stderr)
        weights = {e: made.paths.encoder(e) / "weights.safetensors" for e in ENCODERS}
        write_json(made.folder / f"written-{run}.json", {e: path.stat().st_mtime_ns for e, path in weights.items()})


if __name__ == "__main__":
    _demonstrate(Demonstration(Path(sys.argv[1])))
