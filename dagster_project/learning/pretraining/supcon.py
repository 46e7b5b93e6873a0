"""Supervised contrastive learning: all views of one class attract. Khosla et al. 2020, arXiv 2004.11362."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.learning.encoders.backbone import mlp
from dagster_project.learning.pretraining.network import MethodNetwork


class SupCon(MethodNetwork):
    """Projection head and loss of SupCon over a backbone."""

    def __init__(
        self, backbone: nn.Module, size: int, *, learning_rate: float, projection_dim: int, temperature: float
    ) -> None:
        super().__init__(backbone, learning_rate)
        self.project = mlp(size, size, projection_dim)
        self.temperature = temperature

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Projections (B, P) of each of two views (B, 1, s, s), float32."""
        a, b = self.project(self.backbone(torch.cat([first, second]))).float().chunk(2)
        return a, b

    def loss(self, embedded: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
        """The loss of the outputs of `forward`; labels (B,), -1 for an image without a label."""
        first, second = embedded
        with torch.autocast(first.device.type, enabled=False):  # similarities need full precision
            return supcon(first, second, labels, temperature=self.temperature)


def supcon(first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """The paper's L_out (equation 2), averaged over both views; a scalar.

    `first` and `second` are (B, P), row i of each a view of image i; `labels` is (B,). An image labelled -1 has its
    own other view as its only positive, as in SimCLR.
    """
    z = F.normalize(torch.cat([first, second]), dim=1)  # (2B, P)
    count = len(first)
    own = torch.arange(count, device=z.device).repeat(2)
    label = labels.repeat(2)
    positive = (label[:, None] == label[None, :]) & (label[:, None] >= 0) | (own[:, None] == own[None, :])
    itself = torch.eye(2 * count, dtype=torch.bool, device=z.device)
    positive = positive & ~itself
    log_share = (z @ z.T / temperature).masked_fill(itself, float("-inf")).log_softmax(dim=1)  # (2B, 2B)
    return -(log_share.masked_fill(~positive, 0).sum(dim=1) / positive.sum(dim=1)).mean()
