"""Embeddings of several encoders as one, so that a single probe weighs their features against each other.

A mean of probes can only trust one encoder more than another; a joint probe can do so feature by feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dagster_project.core.paths import ENCODERS, SELF_SUPERVISED

# The probes over several encoders, by name.
JOINT: dict[str, tuple[str, ...]] = {
    "joint_probe": ENCODERS,
    "joint_probe_self_supervised": SELF_SUPERVISED,
}


def side_by_side(embeddings: Mapping[str, np.ndarray], encoders: Sequence[str]) -> np.ndarray:
    """The encoders' embeddings concatenated: (N, D) each to (N, sum of D)."""
    return np.concatenate([embeddings[encoder] for encoder in encoders], axis=1)
