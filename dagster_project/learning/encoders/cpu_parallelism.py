"""How encoders share the cores of a CPU: several encoders are trained at once, each on few threads.

Threads that compute one small network together wait for each other after every layer. On a shared machine each wait
lasts until the other core is free again: two threads were up to twenty times slower than one thread. Two encoders in
separate processes do not wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dagster_project.core.settings.settings import Profile

_MOST = 4  # encoders at once; with more, the slowest encoder still runs alone at the end


def encoders_at_once(profile: Profile) -> int:
    """How many encoders are trained at once: one on a GPU or under torchrun, otherwise one per core, at most four."""
    if profile.device == "cuda" or torch.distributed.is_torchelastic_launched():
        return 1
    return min(_cores(), _MOST)


@contextmanager
def few_threads(device: torch.device) -> Iterator[None]:
    """Limit torch to the threads of one encoder, since several are trained at once; on a GPU, change nothing."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(min(before, max(_cores() // _MOST, 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
