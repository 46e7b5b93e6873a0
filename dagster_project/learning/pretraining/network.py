"""The interface between the training loop and a pretraining method's network."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn


class MethodNetwork(nn.Module, ABC):
    """A backbone with the heads and the loss of one pretraining method. Only the backbone is kept in the end."""

    def __init__(self, backbone: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.backbone = backbone

    @abstractmethod
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The inputs of the loss for two views (B, 1, s, s) of the same images: tensors (B, ...), float32.

        A batch may come in parts (micro-batches, processes); the results are joined before the loss is taken.
        """

    @abstractmethod
    def loss(self, embedded: tuple[torch.Tensor, ...], labels: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar, of the outputs of `forward` for a whole batch; labels int (B,), -1 for none."""

    def after_step(self, progress: float) -> None:
        """Called after each step of the optimiser; `progress` of the training is in 0..1."""
