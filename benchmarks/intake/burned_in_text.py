"""Recall of text planted in real images, number of clean images that are changed, and processing time.

    python -m benchmarks.intake.burned_in_text IMAGES [--half second] [--limit 400] [--touched FOLDER]

IMAGES holds manifest.csv and images/. The settings in burned_in_text.py were chosen on the first half of the images
(by a hash of their names); the table is for the second half. Each image gets one line of text (planted_text.py), at
its own size and enlarged to 2048 px. A line counts as found if 80 % of its bounding box are covered. Lines with letters
lower than `--legible` px are left out, because nobody can read them. `touched` counts every image without planted text
in which anything was painted over, including text and side markers of the original image. `--touched` writes these
images with the boxes drawn, so that a person can see which boxes are anatomy.
"""

from __future__ import annotations

import csv
import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from benchmarks.intake.planted_text import Planted, plant
from benchmarks.results import arguments, save
from dagster_project.intake.ingestion.cleaning.burned_in_text import Box, text_boxes

ENLARGED = 2048
_COVERED = 0.8
_GRAIN = 2.0  # grey levels of noise added to enlarged images, which have no noise of their own


def main() -> None:
    """Print the table and write it."""
    parser = arguments(__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--half", choices=("first", "second"), default="second")
    parser.add_argument("--limit", type=int, default=400, help="number of images, evenly sampled")
    parser.add_argument("--legible", type=int, default=6, help="least height of a letter in px")
    parser.add_argument("--touched", type=Path, help="folder for the clean images that were changed")
    options = parser.parse_args()
    files = half_of(options.images, options.half, options.limit)
    rows = [row for file in files for row in tried(options.images / "images" / file, options)]
    found = pd.DataFrame(rows)
    table = pd.concat([summary(group, kind) for kind, group in groups(found)], ignore_index=True)
    table.insert(0, "half", options.half)
    save(table, "burned-in-text", options.out)


def half_of(folder: Path, half: str, limit: int) -> list[str]:
    """Files of the images in one half, by a hash of the patient group, so that the halves share no patient."""
    with (folder / "manifest.csv").open(newline="") as manifest:
        rows = [r for r in csv.DictReader(manifest) if r["role"] == "in_domain"]
    mine = [r["file"] for r in rows if hashlib.sha256(r["group"].encode()).digest()[0] % 2 == (half == "second")]
    return mine[:: max(1, len(mine) // limit)][:limit]


def tried(path: Path, options: object) -> list[dict[str, object]]:
    """Results for both sizes of one image, without text and with one line of text."""
    rng = np.random.default_rng(int(hashlib.sha256(path.name.encode()).hexdigest()[:8], 16))
    page = Image.open(path).convert("L")
    rows: list[dict[str, object]] = []
    for size in ("own size", f"{ENLARGED} px"):
        image = np.asarray(page, np.float32) if size == "own size" else enlarged(page, rng)
        boxes, seconds = timed(image)
        if boxes and options.touched:  # type: ignore[attr-defined]
            draw(image, boxes, options.touched / f"{path.stem}-{size.split()[0]}.png")  # type: ignore[attr-defined]
        row = {"size": size, "touched": bool(boxes), "seconds": seconds}
        planted, line = plant(image, rng)
        if letter_height(line) >= options.legible:  # type: ignore[attr-defined]
            boxes, _ = timed(planted)
            row |= {"found": covered(line, boxes) >= _COVERED, "font": line.font, "height": line.height}
            row |= {"ink": line.ink_kind, "place": line.place}
        rows.append(row)
    return rows


def enlarged(page: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """The image enlarged to ENLARGED px on its longest side, with some grain."""
    scale = ENLARGED / max(page.size)
    big = np.asarray(page.resize([round(side * scale) for side in page.size], Image.Resampling.BICUBIC), np.float32)
    return np.clip(big + rng.normal(0, _GRAIN, big.shape), 0, 255).astype(np.float32)


def timed(image: np.ndarray) -> tuple[list[Box], float]:
    """The boxes, and the CPU seconds to find them."""
    started = time.process_time()
    return text_boxes(image), time.process_time() - started


def letter_height(line: Planted) -> int:
    """Height of the line's ink in px, across its direction."""
    rows, columns = (np.flatnonzero(line.ink.any(axis=axis)) for axis in (1, 0))
    return int(min(np.ptp(rows), np.ptp(columns)) + 1) if rows.size else 0


def covered(line: Planted, boxes: list[Box]) -> float:
    """Share of the line's bounding box that the boxes cover, in 0..1."""
    mask = np.zeros(line.ink.shape, bool)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = True
    rows, columns = (np.flatnonzero(line.ink.any(axis=axis)) for axis in (1, 0))
    return float(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean())


def groups(found: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """All rows by size, then by each property of the text."""
    parts = [("all", rows.assign(value=size)) for size, rows in found.groupby("size")]
    for kind in ("height", "ink", "place", "font"):
        parts += [(kind, rows.assign(value=value)) for value, rows in found.groupby(kind)]
    return parts


def summary(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """One row of the table; recall in 0..1."""
    lines = rows["found"].dropna()
    row = {"by": kind, "value": str(rows["value"].iloc[0]), "lines": len(lines), "recall": lines.astype(float).mean()}
    if kind == "all":
        milliseconds = rows["seconds"] * 1000
        row |= {"images": len(rows), "touched": rows["touched"].mean()}
        row |= {
            "ms_mean": milliseconds.mean(),
            "ms_median": milliseconds.median(),
            "ms_95": milliseconds.quantile(0.95),
        }
    return pd.DataFrame([row])


def draw(image: np.ndarray, boxes: list[Box], path: Path) -> None:
    """Write the image with its boxes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page = Image.fromarray(image.astype(np.uint8)).convert("RGB")
    for top, bottom, left, right in boxes:
        ImageDraw.Draw(page).rectangle((left, top, right, bottom), outline=(255, 0, 0), width=max(2, page.width // 300))
    page.thumbnail((768, 768))
    page.save(path)


if __name__ == "__main__":
    main()
