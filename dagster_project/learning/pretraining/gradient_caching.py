"""A batch larger than memory: a forward pass a micro-batch, with the loss and gradient still of the whole batch.

Gradient caching (Gao et al. 2021, arXiv 2101.06983): micro-batches are embedded without keeping what the backward pass
needs, the loss is taken over all embeddings at once, and each is embedded once more when its gradient is due.
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
    """What `embed` makes of each micro-batch, joined in the micro-batches' order.

    `embed(*micro_batch)` must give the same each time: it is called again in the backward pass. Activations are kept of
    one micro-batch at a time. Batch norm counts each micro-batch for itself; its running statistics move once, by the
    first.
    """

    def again(start: int, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with _running_statistics_kept(network):
            return embed(start, rows)

    first, *others = micro_batches
    later = [checkpoint(again, *micro_batch, use_reentrant=False, preserve_rng_state=False) for micro_batch in others]
    # embedded last, so that its backward pass comes first: nothing of it need be computed twice
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
