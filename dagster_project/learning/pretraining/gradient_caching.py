"""A batch larger than memory: one forward pass per micro-batch, with the loss and gradient of the whole batch.

Gradient caching (Gao et al. 2021, arXiv 2101.06983): micro-batches are embedded without keeping activations for the
backward pass. The loss is taken over all embeddings at once. Each micro-batch is embedded again for its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Embed = Callable[[int, torch.Tensor], tuple[torch.Tensor, ...]]


def embed_in_micro_batches(
    embed: Embed, network: nn.Module, micro_batches: Sequence[tuple[int, torch.Tensor]]
) -> tuple[torch.Tensor, ...]:
    """The outputs of `embed` for all micro-batches, joined in their order.

    `embed(*micro_batch)` must return the same each time, because the backward pass calls it again. Activations of only
    one micro-batch are kept at a time. Batch norm normalises each micro-batch separately; the first micro-batch alone
    updates its running statistics.
    """

    def again(start: int, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with _running_statistics_kept(network):
            return embed(start, rows)

    first, *others = micro_batches
    later = [checkpoint(again, *micro_batch, use_reentrant=False, preserve_rng_state=False) for micro_batch in others]
    # the first is embedded last, so its backward pass comes first and computes nothing twice
    embedded = [embed(*first), *later]
    return tuple(torch.cat(parts) for parts in zip(*embedded, strict=True))


@contextmanager
def _running_statistics_kept(network: nn.Module) -> Iterator[None]:
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
