"""CPU time of every installed decoder on compressed images of 2500 x 2048, and of JPEG 2000 at reduced size.

    python -m benchmarks.intake.decoders [--files 6] [--rounds 2]

The images are phantom images at full size, compressed without loss by gdcm. All decoders that pydicom finds here have
permissive licences (pylibjpeg-libjpeg has not, and is not among the dependencies). The first way of each syntax is the
decoder of the ingestion; ratios are its rate over the other rates. `whole pass` is the second pass with this decoder
and `ingestion.clean` off, and so shows the other work besides decoding.

`reduced` rows decode JPEG 2000 to a half, a fourth, an eighth of its sides (Pillow's `reduce`). The ingestion does not
do this, because it needs every pixel: for the digest that recognises the same image in another encoding, and for
burned-in text, which is read at full size. `grey_levels_off` is the difference between the stretched 256 px images of
a reduced and a full decode, maximum and mean, in 0..255.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import UID, JPEG2000Lossless

from benchmarks.intake.full_size import SYNTAXES, compressed, write_full_size
from benchmarks.intake.ingestion import listed
from benchmarks.paired import Way, compare
from benchmarks.results import arguments, save, shipped_settings
from dagster_project.core.settings.settings import Ingestion
from dagster_project.intake.ingestion.batch.pixel_reader import PixelReader, stretch
from dagster_project.intake.ingestion.pixels.decoding import DECODERS
from dagster_project.intake.ingestion.pixels.letterbox import centred, fitted
from dagster_project.intake.ingestion.pixels.value_histogram import histogram_of, painted

REDUCTIONS = (1, 2, 3)  # halvings of both sides
_PRECISION = 42  # bytes from the start of a codestream to its first component's number of bits less one


def decoded(path: Path, plugin: str) -> np.ndarray:
    """The pixels by one of pydicom's decoders."""
    ds = dcmread(path)
    ds.pixel_array_options(decoding_plugin=plugin)
    return ds.pixel_array


def reduced(path: Path, halvings: int) -> np.ndarray:
    """Stored values of a JPEG 2000 image of 9 to 16 bits, each side halved `halvings` times; uint16.

    Pillow widens the values to 16 bits. This is undone here with the precision in the codestream (ISO/IEC 15444-1,
    A.5.1), which may differ from the header's BitsStored.
    """
    ds = dcmread(path)
    frame = next(generate_frames(ds.PixelData, number_of_frames=1))
    precision = (frame[frame.index(b"\xff\x4f\xff\x51") + _PRECISION] & 0x7F) + 1
    image = Image.open(BytesIO(frame))
    image.reduce = halvings  # type: ignore[method-assign, assignment]
    image.load()
    return np.asarray(image).astype(np.uint16) >> (16 - precision)


def ways_of(syntax: UID, settings: Ingestion) -> dict[str, Way]:
    """The ingestion's decoder first, then the others that are installed; for JPEG 2000 also the reduced sizes."""
    plugins = sorted(get_decoder(syntax).available_plugins, key=lambda plugin: plugin != DECODERS[syntax])
    ways: dict[str, Way] = {plugin: partial(decoded, plugin=plugin) for plugin in plugins}
    if syntax == JPEG2000Lossless:
        ways |= {f"reduced, side / {2**halvings}": partial(reduced, halvings=halvings) for halvings in REDUCTIONS}
    reader = PixelReader(settings.image_size, settings.percentiles, False)
    return ways | {"whole pass": lambda path: reader(listed(path))}


def grey_levels_off(files: Sequence[Path], halvings: int, settings: Ingestion) -> dict[str, float]:
    """Difference of images decoded at reduced size, after all other steps of the ingestion with `clean` off."""

    def shown(stored: np.ndarray) -> np.ndarray:
        levels = histogram_of(stored)
        small = fitted(painted(levels, stretch(levels, settings.percentiles), stored), settings.image_size)
        return centred(small, settings.image_size).astype(int)

    off = [np.abs(shown(reduced(path, halvings)) - shown(reduced(path, 0))) for path in files]
    return {"grey_levels_off_most": max(o.max() for o in off), "grey_levels_off_mean": float(np.mean(off))}


def measure(settings: Ingestion, count: int, rounds: int, shape: tuple[int, int]) -> pd.DataFrame:
    """One table of all transfer syntaxes."""
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        raw = write_full_size(Path(folder) / "raw", count, shape=shape)
        for name, syntax in SYNTAXES.items():
            files = [compressed(path, Path(folder) / name / path.name, syntax) for path in raw]
            table = compare(ways_of(syntax, settings), files, rounds).assign(syntax=name)
            if syntax == JPEG2000Lossless:
                off = [{"way": f"reduced, side / {2**n}", **grey_levels_off(files, n, settings)} for n in REDUCTIONS]
                table = table.merge(pd.DataFrame(off), on="way", how="left")
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--files", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--shape", type=int, nargs=2, default=(2500, 2048), help="rows and columns of the images")
    options = parser.parse_args()
    table = measure(shipped_settings().ingestion, options.files, options.rounds, tuple(options.shape))
    save(table[["syntax", *table.columns.drop("syntax")]], "decoders", options.out)


if __name__ == "__main__":
    main()
