"""SimCLR: two views of one image attract, all other images of the batch repel.

Chen et al. 2020, arXiv 2002.05709.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.learning.encoders.backbone import mlp
from dagster_project.learning.pretraining.network import MethodNetwork


class SimCLR(MethodNetwork):
    """Projection head and loss of SimCLR over a backbone."""

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
        """The loss of the outputs of `forward`; labels are not used."""
        first, second = embedded
        with torch.autocast(first.device.type, enabled=False):  # similarities need full precision
            return nt_xent(first, second, temperature=self.temperature)


def nt_xent(first: torch.Tensor, second: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Normalised temperature-scaled cross entropy (the paper's equation 1), averaged over both views; a scalar.

    `first` and `second` are (B, P), row i of each a view of image i; they need not be normalised.
    """
    z = F.normalize(torch.cat([first, second]), dim=1)  # (2B, P)
    similarity = z @ z.T / temperature  # (2B, 2B)
    similarity.fill_diagonal_(float("-inf"))
    count = len(first)
    partner = torch.arange(2 * count, device=z.device).roll(count)
    return F.cross_entropy(similarity, partner)
