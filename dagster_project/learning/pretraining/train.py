"""One pretraining run: images and labels to a backbone, with checkpoints so that a stopped run resumes."""

from __future__ import annotations

import logging
import shutil
import signal
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import nn

from dagster_project.core.errors import RayTruthError
from dagster_project.core.progress import in_terminal
from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.backbone import embedding_size, make_backbone
from dagster_project.learning.encoders.cpu_parallelism import few_threads
from dagster_project.learning.encoders.device import device_of, precision_of, processes
from dagster_project.learning.encoders.efficientnet import EfficientNetLite0
from dagster_project.learning.pretraining.batching import plan_batches
from dagster_project.learning.pretraining.methods_on import ALL, method_settings
from dagster_project.learning.pretraining.module import Pretraining
from dagster_project.learning.pretraining.network import MethodNetwork

log = logging.getLogger("raytruth")
_LEAST_IMAGES = 8


@dataclass(frozen=True)
class Run:
    """One training run. `method` is a name of the registry.

    `labels` are class numbers, -1 for none; `name` is for messages; `start` is a backbone to start from.
    """

    name: str
    method: str
    epochs: int
    seed: int
    images: np.ndarray
    labels: np.ndarray
    start: nn.Module | None = None


def train_encoder(run: Run, profile: Profile, checkpoints: Path) -> tuple[nn.Module, list[float]]:
    """Train one encoder; return its backbone (on the CPU, in evaluation mode) and the loss of every epoch.

    `run.images` is uint8 (N, s, s). After each epoch a checkpoint is written to `checkpoints`. A run resumes from
    a checkpoint there, which must belong to the same run (see `checkpoint_folder`) and is removed at the end.
    Processes that torchrun started train the encoder together, each with the same run.
    Raises RayTruthError if there are too few images, no GPU although the profile needs one, a batch that the processes
    cannot share, or a loss that is not finite.
    """
    if len(run.images) < _LEAST_IMAGES:
        raise RayTruthError(
            f"{len(run.images)} images are too few for pretraining; at least {_LEAST_IMAGES} are needed",
            where=run.name,
            do="ingest more batches",
        )
    device, team = device_of(profile), processes()
    batches = plan_batches(profile, len(run.images), team.count)
    if batches.size < profile.batch_size:
        log.warning(
            "%s: %d images are too few for the profile's batch of %d; training uses batches of %d",
            run.name,
            len(run.images),
            profile.batch_size,
            batches.size,
        )
    torch.manual_seed(run.seed)
    module = Pretraining(
        make_method(run, profile).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        torch.from_numpy(run.images),
        torch.from_numpy(run.labels.astype(np.int64)),
        profile,
        batches,
        run.epochs,
        run.seed,
        run.name,
    )
    keep = ModelCheckpoint(checkpoints, filename="last", enable_version_counter=False)
    started_from = checkpoints / "last.ckpt"
    with warnings.catch_warnings():
        for kind in (UserWarning, FutureWarning, DeprecationWarning):  # of Lightning's own calls
            warnings.filterwarnings("ignore", category=kind, module="pytorch_lightning|lightning_fabric")
        _quiet()
        trainer = pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=team.per_machine,
            num_nodes=team.count // team.per_machine,
            strategy=_strategy(team.count),
            use_distributed_sampler=False,  # the module divides the rows
            precision=precision_of(device),
            max_epochs=run.epochs,
            callbacks=[keep],
            logger=False,
            enable_progress_bar=in_terminal(),
            enable_model_summary=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
        )
        with few_threads(device):
            _fit(trainer, module, started_from if started_from.exists() else None)
    if team.rank == 0:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return module.method.backbone.cpu().eval(), module.curve


def checkpoint_folder(parent: Path, fingerprint: str) -> Path:
    """The folder for the checkpoints of this run; checkpoints of other data or settings are removed."""
    for stale in parent.glob("*"):
        if stale.name != fingerprint and processes().rank == 0:
            log.info("removed a checkpoint of other data or settings: %s", parent.name)
            shutil.rmtree(stale)
    return parent / fingerprint


def make_method(run: Run, profile: Profile) -> MethodNetwork:
    """The run's network and loss. Weights that are not given are drawn from torch's global generator."""
    backbone, size = make_backbone(profile), embedding_size(profile)
    if run.start is not None:
        backbone.load_state_dict(run.start.state_dict())
    elif profile.initial_weights:
        assert isinstance(backbone, EfficientNetLite0)  # the settings ensure it
        backbone.load_imagenet()
    classes = int(run.labels.max(initial=0)) + 1
    return ALL[run.method].network(backbone, size, method_settings(profile, run.method), classes)


def _strategy(count: int) -> DDPStrategy | Literal["auto"]:
    """All processes start from the same seed and the same checkpoint, so they only exchange gradients.

    Buffers are not exchanged, because the images are buffers. Batch norm's running statistics are those of rank 0.
    """
    return DDPStrategy(init_sync=False, forward_sync_buffers=False) if count > 1 else "auto"


def _fit(trainer: pl.Trainer, module: Pretraining, checkpoint: Path | None) -> None:
    """Train. Ctrl-C raises KeyboardInterrupt, although Lightning would end the process."""
    answer = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        signal.signal(signal.SIGINT, answer)
        raise KeyboardInterrupt from None


def _quiet() -> None:
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
