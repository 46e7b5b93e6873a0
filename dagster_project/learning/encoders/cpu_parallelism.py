"""How a CPU's cores are shared: encoders are trained side by side, each on few threads.

Threads that compute one small network together wait for each other after every layer, and on a shared machine each wait
lasts until the other core is free again: two threads were up to twenty times slower than one. Two encoders in a process
each do not wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dagster_project.core.settings.settings import Profile

_MOST = 4  # encoders at once; with more, the longest of them is alone at the end anyway


def encoders_at_once(profile: Profile) -> int:
    """How many encoders are trained side by side: one on a GPU or under torchrun, else one a core, at most four."""
    if profile.device == "cuda" or torch.distributed.is_torchelastic_launched():
        return 1
    return min(_cores(), _MOST)


@contextmanager
def few_threads(device: torch.device) -> Iterator[None]:
    """Let torch compute on the threads of one encoder among those trained side by side; on a GPU, change nothing."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(min(before, max(_cores() // _MOST, 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
