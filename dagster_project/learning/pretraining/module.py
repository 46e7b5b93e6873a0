"""The Lightning module that trains every method."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch.utils.data import DataLoader

from dagster_project.core.errors import RayTruthError
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.pretraining.augmentation import random_view
from dagster_project.learning.pretraining.batching import Batches
from dagster_project.learning.pretraining.gradient_caching import embed_in_micro_batches
from dagster_project.learning.pretraining.network import MethodNetwork

log = logging.getLogger("raytruth")
_SPREAD = 0x9E3779B1  # 2**32 over the golden ratio: multiples of it lie far apart modulo 2**32


class Pretraining(pl.LightningModule):
    """Trains a method's network. All images are on the device; a batch is a tensor of row numbers.

    The generators of row order and views are seeded by (seed, epoch) and (seed, step, place in the batch). So a run
    resumed from a checkpoint continues as if it had never stopped, and several processes draw the same views of a batch
    as one process. Every process computes the loss of the whole batch.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __init__(
        self,
        method: MethodNetwork,
        images: torch.Tensor,
        labels: torch.Tensor,
        profile: Profile,
        batches: Batches,
        epochs: int,
        seed: int,
        name: str,
    ) -> None:
        """`images` is uint8 (N, s, s), `labels` int64 (N,), -1 for none; `name` is for messages."""
        super().__init__()
        self.name = name
        self.method = method
        self.profile, self.batches, self.epochs, self.seed = profile, batches, epochs, seed
        self.register_buffer("images", images, persistent=False)
        self.register_buffer("labels", labels, persistent=False)
        self.steps = epochs * (len(images) // batches.size)
        self._losses: list[torch.Tensor] = []
        self.curve: list[float] = []

    def train_dataloader(self) -> DataLoader:
        """Batches of row numbers for the current epoch; an incomplete last batch is left out."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.current_epoch)
        order = torch.randperm(len(self.images), generator=generator)
        size = self.batches.size
        rows = order[: len(order) // size * size].view(-1, size)
        return DataLoader(rows, batch_size=None)  # type: ignore[arg-type]

    def training_step(self, rows: torch.Tensor, _: int) -> torch.Tensor:
        """The loss of one batch of row numbers (B,), the same in every process."""
        embedded = embed_in_micro_batches(self._embed, self.method, self.batches.micro_batches(rows, self.global_rank))
        if self.batches.processes > 1:
            # each process adds the gradient of its loss to every share, and DDP averages over processes
            embedded = tuple(self.all_gather(part, sync_grads=True).flatten(0, 1) for part in embedded)  # type: ignore[union-attr]
        loss = self.method.loss(embedded, self.labels[rows])
        self._losses.append(loss.detach())
        return loss

    def _embed(self, start: int, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The method's outputs for two views of the images `rows`, from place `start` of the batch on."""
        seed = self.seed * 1_000_003 + self.global_step + start * _SPREAD
        generator = torch.Generator(self.device).manual_seed(seed)
        images = self.images[rows]
        views = [random_view(images, self.profile.input_size, generator) for _ in range(2)]
        first, second = (view.contiguous(memory_format=torch.channels_last) for view in views)
        return self.method(first, second)

    def on_train_batch_end(self, *_: Any) -> None:
        """Call the method's `after_step`."""
        self.method.after_step(min(self.global_step / self.steps, 1.0))

    def on_train_epoch_end(self) -> None:
        """Record the mean loss of the epoch. Raises RayTruthError if it is not finite."""
        loss = float(torch.stack(self._losses).mean())
        self._losses.clear()
        self.curve.append(loss)
        self.log("loss", loss, prog_bar=True)
        if not math.isfinite(loss):
            raise RayTruthError(
                f"The loss became {loss} in epoch {len(self.curve)}",
                where=self.name,
                do="lower the method's learning_rate in the profile and pretrain again",
            )
        if len(self.curve) % max(self.epochs // 10, 1) == 0:
            log.info("%s: epoch %d of %d, loss %.4f", self.name, len(self.curve), self.epochs, loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the loss curve with the weights."""
        checkpoint["curve"] = list(self.curve)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the loss curve."""
        self.curve = list(checkpoint["curve"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW with linear warm-up and cosine decay; no weight decay on biases and norms."""
        decayed = [p for p in self.method.parameters() if p.requires_grad and p.ndim > 1]
        others = [p for p in self.method.parameters() if p.requires_grad and p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.profile.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.method.learning_rate)
        warmup = max(round(self.profile.warmup * self.steps), 1)

        def rate(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return (math.cos(math.pi * min((step - warmup) / max(self.steps - warmup, 1), 1.0)) + 1) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
