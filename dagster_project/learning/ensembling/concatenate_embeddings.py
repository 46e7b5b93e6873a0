"""Concatenated embeddings of several encoders, so that one probe weighs all their features.

A mean of probes can only weigh whole encoders; a joint probe weighs single features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dagster_project.core.settings.settings import Settings
from dagster_project.learning.pretraining.methods_on import encoders_on, self_supervised_on


def joint_probes(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The probes on several encoders: the encoders of each probe, by name. With one encoder there is none."""
    both = {"joint_probe": encoders_on(settings), "joint_probe_self_supervised": self_supervised_on(settings)}
    return {name: among for name, among in both.items() if len(among) > 1}


def concatenate_embeddings(embeddings: Mapping[str, np.ndarray], encoders: Sequence[str]) -> np.ndarray:
    """The encoders' embeddings concatenated: (N, D) each to (N, sum of D)."""
    return np.concatenate([embeddings[encoder] for encoder in encoders], axis=1)
