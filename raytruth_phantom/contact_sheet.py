"""A page of example radiographs from an export: one row per region, for a quick check by a person."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont

from raytruth_phantom.projection import Float32
from raytruth_phantom.views import REGIONS

_GREYS = (256, 128, 64, 40, 28, 20, 14, 10)  # fewer shades make a smaller file


def contact_sheet(export: Path, out: Path, *, columns: int = 9, cell: int = 104, max_bytes: int = 450_000) -> Path:
    """Write a PNG of `export`'s in-domain images to `out`: one row per region, with its name and `columns` examples.

    `cell`: edge of one image in pixels. The grey scale is coarsened until the file has at most `max_bytes`. Returns
    `out`. Raises ValueError if `export` holds no truth.csv, or if even the coarsest file is too large.
    """
    truth = export / "truth.csv"
    if not truth.is_file():
        raise ValueError(f"{export} holds no truth.csv: give the folder that write_hospital wrote")
    with truth.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "in_domain"]
    margin = cell + cell // 3
    sheet = Image.new("L", (margin + columns * cell, len(REGIONS) * cell), 0)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(max(10, cell // 8))
    for line, region in enumerate(REGIONS):
        draw.text((6, line * cell + cell // 2), region.replace("_", "\n"), fill=255, font=font, anchor="lm")
        for column, row in enumerate(_varied([r for r in rows if r["region"] == region], columns)):
            image = Image.fromarray(np.rint(255 * displayed(export / row["file"])).astype(np.uint8))
            image.thumbnail((cell - 3, cell - 3), Image.Resampling.LANCZOS)
            left, top = ((cell - n) // 2 for n in image.size)
            sheet.paste(image, (margin + column * cell + left, line * cell + top))
    for greys in _GREYS:
        encoded = io.BytesIO()
        sheet.quantize(greys).save(encoded, "PNG", optimize=True)
        if encoded.tell() <= max_bytes:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(encoded.getvalue())
            return out
    raise ValueError(
        f"{out} would have {encoded.tell()} bytes, more than {max_bytes}: ask for fewer columns or a smaller cell"
    )


def _varied(rows: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    """At most `count` rows, of different projections and patients if possible."""
    chosen: list[dict[str, str]] = []
    for same_view in range(len(rows)):
        for row in rows:
            earlier = [c["view"] for c in chosen].count(row["view"])
            if (
                len(chosen) < count
                and row not in chosen
                and earlier <= same_view
                and (same_view or row["group"] not in {c["group"] for c in chosen})
            ):
                chosen.append(row)
        if len(chosen) == count:
            break
    return chosen


def displayed(path: Path) -> Float32:
    """A file's image (rows, columns) as a viewer shows it, 0 (black) to 1, percentiles 0.5 and 99.5 stretched."""
    ds = pydicom.dcmread(path)
    values = ds.pixel_array.astype(np.float32)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        values = values.max() - values
    low, high = np.percentile(values, (0.5, 99.5))
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1)
