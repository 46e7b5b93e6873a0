"""Images for people: a figure written atomically, and a montage of radiographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dagster_project.core.atomic_io import replacing

_CAPTION = 0.24  # height of a caption, in images


@contextmanager
def drawing(path: Path, *, width: float, height: float) -> Iterator[Axes]:
    """Yield axes of a figure of `width` x `height` inches, then write it as PNG; equal drawings give equal bytes."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure.add_subplot()
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def draw_montage(path: Path, images: np.ndarray, captions: Sequence[str], columns: int = 8) -> None:
    """Write uint8 images (N, s, s) as a grid, each above its caption of at most two lines."""
    rows = max(-(-len(images) // columns), 1)
    pitch = 1 + _CAPTION
    with drawing(path, width=1.6 * columns, height=1.6 * pitch * rows) as axes:
        axes.set(xlim=(0, columns), ylim=(pitch * rows, 0), aspect="equal")
        axes.axis("off")
        for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
            left, top = i % columns, pitch * (i // columns)
            extent = (left + 0.02, left + 0.98, top + 0.98, top + 0.02)
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent)
            axes.text(left + 0.5, top + 0.99, caption, ha="center", va="top", fontsize=7)
        axes.set(xlim=(0, columns), ylim=(pitch * rows, 0))


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers 0..count-1, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)
