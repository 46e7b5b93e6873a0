"""Test-time augmentation: an embedding is the mean over two sizes of an image, and the mirror image of each.

Training crops show a region larger than a whole image does. So an encoder reads enlarged images at least as well
(Touvron et al. 2019, arXiv 1906.06423), and makes its errors on other images than at its own size.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.core.settings.settings import NetworkSettings

_LARGER = 1.5


def larger_view_size(network: NetworkSettings) -> int:
    """Side (pixels) of the larger view: 1.5 times the encoder's own size. The smaller view is made from it."""
    return round(_LARGER * network.input_size)


def embed_views(backbone: nn.Module, images: torch.Tensor, network: NetworkSettings) -> torch.Tensor:
    """Embeddings (B, D) of images (B, 1, s, s) in -1..1, best with s = `larger_view_size`: the mean over four views."""
    found = []
    for px in (larger_view_size(network), network.input_size):
        view = F.interpolate(images, size=(px, px), mode="bilinear", align_corners=False)
        found += [backbone(x.contiguous(memory_format=torch.channels_last)) for x in (view, view.flip(-1))]
    return torch.stack(found).mean(dim=0)
