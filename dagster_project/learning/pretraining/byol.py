"""BYOL: from one view the network predicts the output of its slowly moving copy for the other view.

Grill et al. 2020, arXiv 2006.07733.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.learning.encoders.backbone import mlp
from dagster_project.learning.pretraining.network import MethodNetwork


class BYOL(MethodNetwork):
    """Projector, predictor, target network and loss of BYOL over a backbone."""

    def __init__(
        self,
        backbone: nn.Module,
        size: int,
        *,
        learning_rate: float,
        projection_dim: int,
        hidden_dim: int,
        momentum: float,
    ) -> None:
        super().__init__(backbone, learning_rate)
        self.project = mlp(size, hidden_dim, projection_dim)
        self.predict = mlp(projection_dim, hidden_dim, projection_dim)
        self.target = copy.deepcopy(nn.Sequential(self.backbone, self.project)).requires_grad_(False)
        self.momentum = momentum

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of two views (B, 1, s, s): two predictions, then the target's outputs for the other view; (B, P) each."""
        views = torch.cat([first, second])
        predicted = self.predict(self.project(self.backbone(views)))  # (2B, P)
        with torch.no_grad():
            wanted = self.target(views)  # (2B, P)
        return *predicted.float().chunk(2), *wanted.float().chunk(2)[::-1]

    def loss(self, embedded: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
        """The symmetric loss of the outputs of `forward`; labels are not used."""
        first, second, wanted_of_first, wanted_of_second = embedded
        return byol_loss(torch.cat([first, second]), torch.cat([wanted_of_first, wanted_of_second]))

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """Move the target towards the network; `progress` of the training is in 0..1 (the paper's cosine schedule)."""
        momentum = 1 - (1 - self.momentum) * (math.cos(math.pi * progress) + 1) / 2
        online = nn.Sequential(self.backbone, self.project)
        for slow, fast in zip(self.target.parameters(), online.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)
        for slow_buffer, fast_buffer in zip(self.target.buffers(), online.buffers(), strict=True):
            slow_buffer.copy_(fast_buffer)


def byol_loss(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of normalised rows, 2 - 2 cos (the paper's equation 2), in 0..4; a scalar.

    `predicted` and `wanted` are (B, P); no gradient flows into `wanted`.
    """
    return (2 - 2 * F.cosine_similarity(predicted, wanted.detach(), dim=1)).mean()
