"""How the images of a step are divided: a batch among processes, a process's share among forward passes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile


@dataclass(frozen=True)
class Batches:
    """`size` images per step over all `processes`; each process computes its share in `passes` forward passes."""

    size: int
    processes: int
    passes: int

    @property
    def micro_batch_size(self) -> int:
        """The largest number of images in one forward pass."""
        return math.ceil(self.size / self.processes / self.passes)

    def micro_batches(self, rows: torch.Tensor, rank: int) -> list[tuple[int, torch.Tensor]]:
        """The micro-batches of one process, each with its place in the batch `rows` (size,); in the batch's order.

        If the profile's `micro_batch_size` divides a share, they do not depend on the number of processes.
        """
        share = len(rows) // self.processes
        start, parts = rank * share, []
        for part in rows[start : start + share].tensor_split(self.passes):
            parts.append((start, part))
            start += len(part)
        return parts


def plan_batches(profile: Profile, images: int, processes: int) -> Batches:
    """Batches for `images` images; smaller than in the profile if there are too few images.

    Raises RayTruthError if the profile's batch cannot be divided evenly.
    """
    if profile.batch_size % processes or images < processes:
        raise RayTruthError(
            f"A batch of {min(profile.batch_size, images)} images cannot be divided evenly among {processes} processes",
            where="params.yaml: profile",
            do="choose a number of processes that divides the profile's batch_size",
        )
    share = min(profile.batch_size, images) // processes
    most = profile.batch_size if profile.micro_batch_size == "batch" else profile.micro_batch_size
    return Batches(share * processes, processes, math.ceil(share / most))
