"""The views over which an image's embedding is averaged: two sizes, and the mirror image of each.

Training crops show a region larger than a whole image does, so that an encoder reads enlarged images at least as
well (Touvron et al. 2019, arXiv 1906.06423), and errs on others than at its own size.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.core.settings.settings import NetworkSettings

_LARGER = 1.5


def viewed_px(network: NetworkSettings) -> int:
    """Side of the larger view, from which the other is made: one and a half of the encoder's own."""
    return round(_LARGER * network.input_size)


def embed_views(backbone: nn.Module, images: torch.Tensor, network: NetworkSettings) -> torch.Tensor:
    """Embeddings (B, D) of images (B, 1, s, s) in -1..1, best with s = `viewed_px`: the mean over four views."""
    found = []
    for px in (viewed_px(network), network.input_size):
        view = F.interpolate(images, size=(px, px), mode="bilinear", align_corners=False)
        found += [backbone(x.contiguous(memory_format=torch.channels_last)) for x in (view, view.flip(-1))]
    return torch.stack(found).mean(dim=0)
