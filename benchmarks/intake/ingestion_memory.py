"""Memory of the parent and the workers of an ingestion, for batches with more and more small files.

    python -m benchmarks.intake.ingestion_memory [--files 1000 10000]

Each batch is ingested in its own process by two workers, `ingestion.clean` off. The files are one phantom image with
other numbers in its UIDs and its patient's ID. The parent keeps the results on disk and should hold little more than
the list of files; a worker holds a chunk of files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from pydicom import dcmread

from benchmarks.intake.full_size import write_full_size
from benchmarks.memory import watched
from benchmarks.results import ROOT, arguments, save, shipped_settings
from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.root import Root

_SHAPE = (80, 64)
_MARK = "7000000000"  # placeholder in the template for a file's number


def write_small(out: Path, count: int) -> None:
    """Write `count` files of different instances and patients under `out`."""
    out.mkdir(parents=True)
    template = out / "template.dcm"
    with tempfile.TemporaryDirectory() as folder:
        ds = dcmread(write_full_size(Path(folder), 1, shape=_SHAPE)[0])
        ds.PatientID = f"CANARY{_MARK}"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.{_MARK}"
        ds.StudyInstanceUID = f"2.25.1{_MARK}"
        ds.save_as(template, enforce_file_format=True)
    before = template.read_bytes()
    template.unlink()
    for number in range(count):
        (out / f"{number:07d}.dcm").write_bytes(before.replace(_MARK.encode(), str(int(_MARK) + number).encode()))


def one_batch(count: int) -> dict[str, float]:
    """Peak memory of the ingestion of `count` files, MB."""
    settings = shipped_settings()
    section = settings.ingestion.model_copy(update={"workers": 2, "clean": False})
    settings = settings.model_copy(update={"ingestion": section, "regions": "regions.yaml"})
    with tempfile.TemporaryDirectory() as folder:
        write_small(Path(folder) / "source", count)
        paths = Paths(Path(folder) / "root")
        paths.root.mkdir()
        shutil.copy(ROOT / shipped_settings().regions, paths.root / "regions.yaml")
        with watched() as peaks:
            summary = ingest(Root(paths, settings), Path(folder) / "source", "small")
    return {"files": count, "images": summary.images, "parent_mb": peaks.own, "worker_mb": peaks.child}


def measure(counts: list[int]) -> pd.DataFrame:
    """One row per batch; `parent_kb_a_file` is the growth of the parent per file since the first batch."""
    rows = []
    for count in counts:
        command = [sys.executable, "-m", "benchmarks.intake.ingestion_memory", "--one", str(count)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    table = pd.DataFrame(rows)
    grown, more = table["parent_mb"] - table["parent_mb"].iloc[0], table["files"] - table["files"].iloc[0]
    return table.assign(parent_kb_a_file=1024 * grown / more.where(more > 0))


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--one", type=int, help="one batch in this process, printed as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_batch(options.one)))
    else:
        save(measure(options.files), "ingestion_memory", options.out)


if __name__ == "__main__":
    main()
