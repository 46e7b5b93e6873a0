"""Neither trivial nor senseless: gradients and a linear model get far, but not all the way."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from skimage.feature import hog
from skimage.transform import resize
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.displayed import displayed

from raytruth_phantom.hospital import write_hospital

SIZE, PATIENTS = 64, 240


def letterboxed(image: np.ndarray) -> np.ndarray:
    """The image scaled to fit a square of `SIZE` pixels, its aspect kept, on black."""
    scale = SIZE / max(image.shape)
    small = resize(image, [max(1, round(n * scale)) for n in image.shape], anti_aliasing=True)
    square = np.zeros((SIZE, SIZE))
    top, left = ((SIZE - n) // 2 for n in small.shape)
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


@pytest.mark.slow
def test_histograms_of_gradients_reach_neither_the_ceiling_nor_the_floor(tmp_path: Path) -> None:
    write_hospital(tmp_path / "export", patients=PATIENTS, seed=7)
    with (tmp_path / "export" / "truth.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "in_domain"]
    images = [letterboxed(displayed(tmp_path / "export" / row["file"])) for row in rows]
    features = np.array([hog(p, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for p in images])
    regions, groups = np.array([row["region"] for row in rows]), np.array([row["group"] for row in rows])
    train, test = next(GroupShuffleSplit(1, test_size=0.3, random_state=0).split(features, regions, groups))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    accuracy = model.fit(features[train], regions[train]).score(features[test], regions[test])
    assert 0.60 <= accuracy <= 0.92, f"histograms of gradients reach {accuracy:.3f}"
