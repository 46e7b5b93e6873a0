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
    def chunk(self) -> int:
        """The most images of one forward pass."""
        return math.ceil(self.size / self.processes / self.passes)

    def chunks(self, rows: torch.Tensor, rank: int) -> list[tuple[int, torch.Tensor]]:
        """The chunks of one process, each with its place in the batch `rows` (size,); in the batch's order.

        Where the profile's chunk divides a share, a batch has the same chunks whatever the number of processes.
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
    if profile.batch % processes or images < processes:
        raise RayTruthError(
            f"A batch of {min(profile.batch, images)} images cannot be dealt evenly to {processes} processes",
            where="params.yaml: profile",
            do="start as many processes as divide the profile's batch",
        )
    share = min(profile.batch, images) // processes
    chunk = profile.batch if profile.chunk == "batch" else profile.chunk
    return Batches(share * processes, processes, math.ceil(share / chunk))
