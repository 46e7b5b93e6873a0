"""Embeddings of a root's images, turned and inverted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.intake.ingestion.pixels.turning import TURNS, turned
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images
from dagster_project.learning.encoders.embedding_cache import embed_cached
from dagster_project.learning.encoders.encoder import Encoder

_BLOCK = 1024  # images in memory at once


@dataclass(frozen=True)
class Views:
    """The images of `table` (columns `batch` and `row`) under an encoder."""

    root: Root
    encoder: Encoder
    table: pd.DataFrame

    def embed(self, rows: np.ndarray, degrees: np.ndarray, inverted: np.ndarray) -> np.ndarray:
        """Embeddings float32 (n, D) of rows (n,), turned clockwise by degrees (n,), black and white exchanged (n,)."""
        found = [np.empty((0, self.encoder.embedding_size), np.float32)]
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            size = self.root.settings.ingestion.image_size
            images = gather_images(self.root.paths, self.table.iloc[rows[part]], size)
            for i, (turn, flip) in enumerate(zip(degrees[part], inverted[part], strict=True)):
                if turn or flip:
                    images[i] = turned(images[i], int(turn), inverted=bool(flip))
            found.append(embed_cached(self.root.paths, self.encoder, images))
        return np.concatenate(found)

    def as_stored(self) -> np.ndarray:
        """Embeddings (N, D) of all images as they are."""
        nothing = np.zeros(len(self.table), int)
        return self.embed(np.arange(len(self.table)), nothing, nothing)


@dataclass(frozen=True)
class Sample:
    """Embeddings of images that a probe learns from, which count as upright.

    `rows` (n,) are their places in the training set, `turns` (n, 4, D) the image in all TURNS. `plain` and `inverted`
    (n, 2, D): upright and in one turn by lot, with right and with exchanged black and white.
    """

    rows: np.ndarray
    turns: np.ndarray
    plain: np.ndarray
    inverted: np.ndarray

    def of(self, chosen: np.ndarray) -> Sample:
        """The chosen images, bool (n,)."""
        return Sample(self.rows[chosen], self.turns[chosen], self.plain[chosen], self.inverted[chosen])


def draw_sample(views: Views, images: int, seed: int) -> Sample:
    """At most so many images of the training part, drawn at random, and their embeddings."""
    draw = np.random.default_rng(seed)
    usable = (views.table["split"] == "train") & (views.table["exclusion"] == "")
    rows = np.sort(draw.permutation(np.flatnonzero(usable))[:images])
    right = np.zeros(len(rows), bool)
    turns = np.stack([views.embed(rows, np.full(len(rows), degrees), right) for degrees in TURNS], axis=1)
    lot = draw.integers(len(TURNS), size=len(rows))
    number = np.arange(len(rows))
    plain = np.stack([turns[:, 0], turns[number, lot]], axis=1)
    upside = (np.zeros(len(rows), int), np.array(TURNS)[lot])
    inverted = np.stack([views.embed(rows, degrees, ~right) for degrees in upside], axis=1)
    return Sample(rows, turns, plain, inverted)
