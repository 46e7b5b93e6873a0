"""Letterboxed images turned by right angles and inverted, as if their files were."""

from __future__ import annotations

import numpy as np

from dagster_project.intake.ingestion.pixels.letterbox import centred, content_of

TURNS = (0, 90, 180, 270)  # degrees clockwise


def turned(square: np.ndarray, degrees: int, *, inverted: bool = False) -> np.ndarray:
    """An image, uint8 (s, s), as the ingestion would store it if its file were turned clockwise by `degrees`.

    `degrees` is a multiple of 90. `inverted`: the file has a wrong photometric interpretation too; padding stays black.
    """
    content = np.rot90(content_of(square), -degrees // 90)
    return centred(255 - content if inverted else content, len(square))
