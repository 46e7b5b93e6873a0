"""Embeddings of the training set by each encoder, kept in `data/embeddings/`."""

from __future__ import annotations

import numpy as np

from dagster_project.core.atomic_io import write_array
from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.core.progress import track
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.intake.training_set.corrected_images import gather_corrected
from dagster_project.learning.encoders.embedding_cache import embed_cached
from dagster_project.learning.encoders.encoder import open_encoder

_BLOCK = 2048  # images in memory at once


def embed_training_set(root: Root, encoder: str) -> np.ndarray:
    """Embed every image of the training set, in its order, and write `data/embeddings/<encoder>.npy`."""
    opened, table = open_encoder(root, encoder), load_training_set(root.paths)
    size = root.settings.ingestion.image_size  # as `predict_batch` embeds the images, so that it finds them again
    blocks = [table.iloc[start : start + _BLOCK] for start in range(0, len(table), _BLOCK)]
    embeddings = np.concatenate(
        [
            embed_cached(root.paths, opened, gather_corrected(root, block, size))
            for block in track(blocks, len(blocks), f"embeddings of {encoder}")
        ]
    )
    write_array(root.paths.embeddings(encoder), embeddings)
    return embeddings


def load_embeddings(paths: Paths, encoder: str, count: int) -> np.ndarray:
    """The embeddings, float32 (count, D), of a training set of `count` images.

    Raises RayTruthError if there are no embeddings, or they belong to another training set.
    """
    path = paths.embeddings(encoder)
    embeddings = np.load(path) if path.exists() else None
    if embeddings is None or len(embeddings) != count:
        raise RayTruthError(
            "The training set has not been embedded" + (" since it last changed" if path.exists() else ""),
            where=paths.place(path),
            do="run `raytruth evaluate`",
        )
    return embeddings
