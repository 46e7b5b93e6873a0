"""A short training of each method whose losses, gradients and weights are saved; alone, or in processes of torchrun."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from dagster_project.core.settings.settings import Profile
from dagster_project.learning.pretraining import train
from dagster_project.learning.pretraining.methods import METHODS
from dagster_project.learning.pretraining.module import Pretraining
from support.archive import pattern

IMAGES, BATCH = 40, 16
Method = TypeVar("Method", bound=nn.Module)


def record(folder: Path, profile: Profile) -> Path:
    """Train each method for two steps as one process of those that torchrun started; return the file written."""
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % 4 - 1
    images = np.stack([pattern(int(k) + 1, rng, 40) for k in labels])
    file = folder / f"rank_{os.environ.get('RANK', 0)}.pt"
    found = {}
    kept = train.make_method, train.precision_of
    train.make_method, train.precision_of = (lambda *what: in_double(kept[0](*what))), (lambda _: "32-true")
    try:
        for method in METHODS:
            gradients: list[dict[str, torch.Tensor]] = []
            Pretraining.on_before_optimizer_step = _keeper(gradients)
            run = train.Run("encoder", method, 1, 5, images, labels)
            backbone, curve = train.train_encoder(run, profile, folder / method)
            found[method] = {"curve": curve, "gradients": gradients, "weights": backbone.state_dict()}
    finally:
        train.make_method, train.precision_of = kept
        del Pretraining.on_before_optimizer_step
    torch.save(found, file)
    return file


def in_double(network: Method) -> Method:
    """The network in float64, so that sums in another order agree to many digits; views may still be float32."""
    network.register_forward_pre_hook(lambda _, views: tuple(view.double() for view in views))
    return network.double()


def _keeper(gradients: list[dict[str, torch.Tensor]]):
    def keep(module: Pretraining, _: torch.optim.Optimizer) -> None:
        named = module.method.named_parameters()
        gradients.append({name: p.grad.clone() for name, p in named if p.grad is not None})

    return keep


if __name__ == "__main__":
    pl.seed_everything(int(os.environ["RANK"]), verbose=False)  # whatever each has drawn before
    torch.set_num_threads(1)
    for name in sys.argv[1:]:
        record(Path(name), Profile.model_validate_json((Path(name) / "profile.json").read_text()))
