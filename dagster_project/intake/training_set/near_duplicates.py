"""Images that are copies of each other: equal pixels, or an almost perfect correlation of the thumbnails.

Reprocessed copies (another window, slight noise) correlate above 0.97; two exposures of one region rarely do.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_SIDE = 32
_BLOCK = 2048


def near_duplicate_pairs(thumbnails: np.ndarray, threshold: float) -> np.ndarray:
    """Pairs (P, 2) of row numbers, first < second, with a thumbnail correlation of at least `threshold` (0..1).

    `thumbnails` is uint8 (N, s, s). Flat thumbnails are in no pair.
    """
    if not len(thumbnails):
        return np.empty((0, 2), dtype=np.int64)
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = np.divide(flat, length, out=np.zeros_like(flat), where=length > 0)
    found = []
    for start in range(0, len(unit), _BLOCK):
        similar = unit[start : start + _BLOCK] @ unit[start:].T  # (block, N - start)
        first, second = np.nonzero(similar >= threshold)
        later = second > first
        found.append(np.stack([first[later], second[later]], axis=1) + start)
    return np.concatenate(found)


def linked_groups(count: int, pairs: np.ndarray) -> np.ndarray:
    """Number the connected components of `count` rows linked by `pairs` (P, 2); returns int (count,)."""
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(links, directed=False)[1]


def thumbnails(images: np.ndarray) -> np.ndarray:
    """Reduce uint8 (N, side, side), side a multiple of 32, to uint8 (N, 32, 32) by area averaging."""
    factor = images.shape[1] // _SIDE
    blocks = images.reshape(len(images), _SIDE, factor, _SIDE, factor)
    return blocks.mean(axis=(2, 4)).round().astype(np.uint8)
