"""How the images of a step are dealt: a batch over the processes, a process's share over forward passes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile


@dataclass(frozen=True)
class Batches:
    """`size` images a step over all `processes`; each process takes its share in `passes` forward passes."""

    size: int
    processes: int
    passes: int

    @property
    def micro_batch_size(self) -> int:
        """The most images of one forward pass."""
        return math.ceil(self.size / self.processes / self.passes)

    def micro_batches(self, rows: torch.Tensor, rank: int) -> list[tuple[int, torch.Tensor]]:
        """The micro-batches of one process, each with its place in the batch `rows` (size,); in the batch's order.

        Where the profile's `micro_batch_size` divides a share, they are the same whatever the number of processes.
        """
        share = len(rows) // self.processes
        start, parts = rank * share, []
        for part in rows[start : start + share].tensor_split(self.passes):
            parts.append((start, part))
            start += len(part)
        return parts


def deal(profile: Profile, images: int, processes: int) -> Batches:
    """Batches for `images` images; smaller ones than the profile's where there are too few images.

    Raises RayTruthError if the profile's batch cannot be dealt evenly.
    """
    if profile.batch_size % processes or images < processes:
        raise RayTruthError(
            f"A batch of {min(profile.batch_size, images)} images cannot be dealt evenly to {processes} processes",
            where="params.yaml: profile",
            do="start as many processes as divide the profile's batch",
        )
    share = min(profile.batch_size, images) // processes
    most = profile.batch_size if profile.micro_batch_size == "batch" else profile.micro_batch_size
    return Batches(share * processes, processes, math.ceil(share / most))
