"""Embeddings of images under an encoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from dagster_project.core.settings.settings import NetworkSettings
from dagster_project.intake.training_set.build import reduced
from dagster_project.learning.encoders.backbone import as_input
from dagster_project.learning.encoders.cpu_parallelism import few_threads
from dagster_project.learning.encoders.device import device_of
from dagster_project.learning.encoders.test_time_augmentation import embed_views, larger_view_size

_BATCH = 256


def embed(backbone: nn.Module, images: np.ndarray, network: NetworkSettings) -> np.ndarray:
    """Embeddings float32 (N, D) of uint8 (N, s, s): the mean over two sizes of each image and their mirror images."""
    device = device_of(network)
    backbone = backbone.to(device).eval()
    found = []
    with torch.inference_mode(), few_threads(device):
        for start in range(0, len(images), _BATCH):
            small = torch.from_numpy(reduced(images[start : start + _BATCH], larger_view_size(network))).to(device)
            found.append(embed_views(backbone, as_input(small), network).float().cpu().numpy())
    return np.concatenate(found)
