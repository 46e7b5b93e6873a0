"""CPU time for headers and for whole raw images, 2500 x 2048 in 16 bits, against code that users would write.

    python -m benchmarks.intake.ingestion [--files 30] [--rounds 3]

The files are phantom images at full size (full_size.py). `headers`: the first pass over a file with its verdict,
against pydicom's `stop_before_pixels` alone, for a common file and for a file with a header that is not plain, which
RayTruth reads with pydicom. `images`: both passes over a file, with `ingestion.clean` on (the default) and off, against
MONAI's LoadImage and Resize, dcmtk's dcmj2pnm (left out if not installed), and pydicom's `pixel_array` alone: for raw
pixels little more than a copy, without a digest, a window or a reduced image. Everything runs in one thread, one after
the other (benchmarks/paired.py), and CPU time counts: on two idle cores two workers double the rate, for RayTruth and
for the others. `batch` is `ingest` itself with two workers, including their start, staging and tables, from nothing
each time.
Goals: 0.9 of `stop_before_pixels`, 1.8 times MONAI, 0.9 of dcmj2pnm and of `pixel_array`.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

import pandas as pd
from pydicom import dcmread

from benchmarks.intake.full_size import write_full_size
from benchmarks.paired import OURS, Way, compare, processor_seconds
from benchmarks.results import ROOT, arguments, save, shipped_settings
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Ingestion, Settings
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.pixel_reader import PixelReader
from dagster_project.intake.ingestion.headers.header_reader import HeaderReader
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.ingestion.headers.sources import SourceFile
from dagster_project.intake.root import Root
from dagster_project.intake.taxonomy.taxonomy import load_taxonomy

UNCLEAN, MONAI, DCMTK, DECODE = "ours, clean off", "MONAI LoadImage, Resize", "dcmj2pnm", "pixel_array alone"
PYDICOM, NOT_PLAIN = "stop_before_pixels", "ours, not plain"
GOALS = {PYDICOM: 0.9, MONAI: 1.8, DCMTK: 0.9, DECODE: 0.9}


def header_ways(settings: Ingestion, root: Path) -> dict[str, Way]:
    """The first pass over a file, pydicom's reading of its header, and the first pass over its `not_plain` copy."""
    taxonomy = load_taxonomy(ROOT / shipped_settings().regions)
    reader = HeaderReader(load_pseudonyms(Paths(root).pseudonym_key), taxonomy, settings.max_megapixels)
    return {
        OURS: lambda path: reader(listed(path)),
        PYDICOM: lambda path: dcmread(path, stop_before_pixels=True),
        NOT_PLAIN: lambda path: reader(listed(root / path.name)),
    }


def not_plain(path: Path, out: Path) -> None:
    """Write a copy of a file, with few pixels, and with a control character in a text of the header."""
    ds = dcmread(path)
    ds.ProtocolName = "knee\x07"
    ds.PixelData = bytes(64)
    ds.save_as(out / path.name)


def image_ways(settings: Ingestion, root: Path) -> dict[str, Way]:
    """Both passes over a file, and the peers."""
    import torch  # here, since worker processes import this module again
    from monai.transforms import Compose, LoadImage, Resize

    torch.set_num_threads(1)
    read_header = header_ways(settings, root)[OURS]

    def ours(path: Path, clean: bool) -> None:
        read_header(path)
        PixelReader(settings.image_size, settings.percentiles, clean)(listed(path))

    load = LoadImage(reader="PydicomReader", image_only=True, ensure_channel_first=True)
    ways: dict[str, Way] = {OURS: partial(ours, clean=settings.clean), UNCLEAN: partial(ours, clean=False)}
    ways[MONAI] = Compose([load, Resize(settings.image_size, size_mode="longest", mode="area")])
    if shutil.which(DCMTK):
        command = (DCMTK, "--min-max-window", "--scale-y-size", str(settings.image_size), "--write-raw-pnm")
        ways[DCMTK] = lambda path: subprocess.run([*command, path, root / "out.pgm"], check=True, capture_output=True)
    else:
        print(f"{DCMTK} (Debian package dcmtk) is not installed, and is left out")
    ways[DECODE] = lambda path: dcmread(path).pixel_array
    return ways


def listed(path: Path) -> SourceFile:
    """A file as listed by the ingestion."""
    info = path.stat()
    return SourceFile(str(path), path.name, info.st_size, modified=info.st_mtime_ns)


def whole_batches(settings: Settings, source: Path, root: Path, count: int, rounds: int) -> pd.DataFrame:
    """`ingest` with two workers from nothing, with `clean` on and off: wall and CPU time per image."""
    rows = []
    for turn in range(rounds):
        for clean in (True, False):
            section = settings.ingestion.model_copy(update={"workers": 2, "clean": clean})
            chosen = settings.model_copy(update={"ingestion": section, "regions": "regions.yaml"})
            paths = Paths(root / f"{turn}-{clean}")
            paths.root.mkdir()
            shutil.copy(ROOT / settings.regions, paths.root / "regions.yaml")
            started, busy = time.perf_counter(), processor_seconds()
            ingest(Root(paths, chosen), source, "full")
            wall, busy = time.perf_counter() - started, processor_seconds() - busy
            rows.append(
                {"way": OURS if clean else UNCLEAN, "cpu_ms": 1000 * busy / count, "wall_ms": 1000 * wall / count}
            )
    medians = pd.DataFrame(rows).groupby("way", sort=False).median().reset_index()
    medians = medians.rename(columns={"cpu_ms": "cpu_ms_median", "wall_ms": "wall_ms_median"})
    return medians.assign(files=count, rounds=rounds)


def measure(settings: Settings, count: int, rounds: int, shape: tuple[int, int]) -> pd.DataFrame:
    """All three tables in one, by the column `what`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = write_full_size(root / "source", count, shape=shape)
        for path in files:
            not_plain(path, root)
        parts = {
            "headers": compare(header_ways(settings.ingestion, root), files, 10 * rounds),
            "images": compare(image_ways(settings.ingestion, root), files, rounds),
            "batch": whole_batches(settings, root / "source", root, count, rounds),
        }
    return pd.concat([table.assign(what=what) for what, table in parts.items()], ignore_index=True)


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", type=int, nargs=2, default=(2500, 2048), help="rows and columns of the images")
    options = parser.parse_args()
    table = measure(shipped_settings(), options.files, options.rounds, tuple(options.shape))
    save(table[["what", *table.columns.drop("what")]], "ingestion", options.out)
    for row in table[table["way"].isin(GOALS)].itertuples():
        goal = GOALS[row.way]
        met = "met" if row.ratio_median >= goal else "missed"
        print(f"{row.what}: {row.ratio_median:.2f} times {row.way}; goal {goal:g}: {met}")


if __name__ == "__main__":
    main()
