"""VICReg: two views get similar embeddings; every dimension varies over the batch, and none repeats another.

Bardes et al. 2022, arXiv 2105.04906.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.learning.pretraining.network import MethodNetwork

_LEAST_DEVIATION = 1.0  # gamma: below it a dimension varies too little
_EPSILON = 1e-4  # keeps the gradient of a deviation of zero finite


class VICReg(MethodNetwork):
    """Expander and loss of VICReg over a backbone."""

    def __init__(
        self,
        backbone: nn.Module,
        size: int,
        *,
        learning_rate: float,
        projection_dim: int,
        hidden_dim: int,
        invariance_weight: float,
        variance_weight: float,
        covariance_weight: float,
    ) -> None:
        super().__init__(backbone, learning_rate)
        self.expand = nn.Sequential(
            *_layer(size, hidden_dim),
            *_layer(hidden_dim, hidden_dim),
            nn.Linear(hidden_dim, projection_dim, bias=False),
        )
        self.invariance, self.variance, self.covariance = invariance_weight, variance_weight, covariance_weight

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Expanded embeddings (B, P) of each of two views (B, 1, s, s), float32."""
        a, b = self.expand(self.backbone(torch.cat([first, second]))).float().chunk(2)
        return a, b

    def loss(self, embedded: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
        """The loss of the outputs of `forward`; labels are not used."""
        first, second = embedded
        with torch.autocast(first.device.type, enabled=False):  # covariances need full precision
            invariance, variance, covariance = vicreg_terms(first, second)
        return self.invariance * invariance + self.variance * variance + self.covariance * covariance


def vicreg_terms(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Invariance, variance and covariance terms (the paper's algorithm 1), each a scalar and 0 at best.

    `first` and `second` are (B, P), row i of each a view of image i, B at least 2. Invariance: the mean squared
    difference of the views. Variance: how far the deviation of a dimension is below 1. Covariance: the squared
    covariances of a dimension with all others. The last two are means over dimensions, summed over both views.
    """
    (variance, covariance), (other_variance, other_covariance) = _spread(first), _spread(second)
    return F.mse_loss(first, second), variance + other_variance, covariance + other_covariance


def _spread(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    deviation = (z.var(dim=0) + _EPSILON).sqrt()  # (P,)
    covariance = z.T.cov()  # (P, P)
    others = covariance - covariance.diagonal().diag()
    return F.relu(_LEAST_DEVIATION - deviation).mean(), others.square().sum() / z.shape[1]


def _layer(size: int, out: int) -> tuple[nn.Module, ...]:
    return nn.Linear(size, out, bias=False), nn.BatchNorm1d(out), nn.ReLU(inplace=True)
