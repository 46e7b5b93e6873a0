"""SimCLR as a user would write it: a DataLoader with two workers and per-image transforms, from MONAI or from Pillow.

The views differ in the same properties as in `pretraining/augmentation.py`: position, size, rotation, side, exposure,
inversion, blur, noise, a filled rectangle. The peer of `simclr_cpu`, and one line of `comparison`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from monai.losses import ContrastiveLoss
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandAffine,
    RandCoarseDropout,
    RandFlip,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandLambda,
    RandScaleIntensity,
    RandShiftIntensity,
)
from monai.utils import convert_to_tensor
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from torch import nn
from torch.utils.data import DataLoader, Dataset

from dagster_project.core.settings.settings import Profile
from dagster_project.learning.encoders.backbone import embedding_size, make_backbone, mlp
from dagster_project.learning.pretraining.methods_on import method_settings
from dagster_project.learning.pretraining.simclr import nt_xent

Kind = Literal["monai", "pillow"]
WORKERS = 2


def monai_view(px: int) -> Callable[[np.ndarray], torch.Tensor]:
    """MONAI transforms: uint8 (s, s) to float32 (1, px, px) in -1..1."""
    turn = math.radians(25)
    view = Compose(
        [
            # one resampling: a window of 0.7 to 1.3 times px, of an image of 1.25 times px
            RandAffine(1.0, turn, None, (px // 5,) * 2, ((-0.3, 0.3),) * 2, (px, px), padding_mode="zeros"),
            RandFlip(0.5, spatial_axis=1),
            RandAdjustContrast(1.0, gamma=(0.67, 1.5)),
            RandScaleIntensity(0.4, prob=1.0),
            RandShiftIntensity(0.25, prob=1.0),
            RandLambda(lambda x: 1 - x, prob=0.1),
            RandGaussianSmooth((0.3, 0.8), (0.3, 0.8), prob=0.3),
            RandGaussianNoise(1.0, std=0.04),
            RandCoarseDropout(1, px // 5, max_spatial_size=px // 3, fill_value=(0, 1), prob=0.3),
        ]
    )

    def transform(image: np.ndarray) -> torch.Tensor:
        x = view(torch.from_numpy(image)[None].float() / 255)
        return convert_to_tensor(x, track_meta=False).clamp(0, 1) * 2 - 1

    return transform


def pillow_view(px: int) -> Callable[[np.ndarray], torch.Tensor]:
    """Pillow operations: uint8 (s, s) to float32 (1, px, px) in -1..1."""
    draw = np.random.default_rng  # seeded per image from torch's generator, which the DataLoader seeds per worker

    def transform(image: np.ndarray) -> torch.Tensor:
        rng = draw(int(torch.randint(2**31, ())))
        x, side = Image.fromarray(image), len(image)
        wide, high = (side * math.sqrt(rng.uniform(0.3, 1)) * f for f in rng.uniform(0.9, 1.1, 2))
        left, top = rng.uniform(0, max(side - wide, 0)), rng.uniform(0, max(side - high, 0))
        x = x.rotate(rng.uniform(-25, 25), Image.Resampling.BILINEAR)
        x = x.resize((px, px), Image.Resampling.BILINEAR, (left, top, min(left + wide, side), min(top + high, side)))
        x = ImageOps.mirror(x) if rng.random() < 0.5 else x
        gamma = math.exp(rng.uniform(-0.4, 0.4))
        x = x.point([round(255 * (value / 255) ** gamma) for value in range(256)])
        x = ImageEnhance.Contrast(x).enhance(rng.uniform(0.6, 1.4))
        x = ImageEnhance.Brightness(x).enhance(rng.uniform(0.75, 1.25))
        x = ImageOps.invert(x) if rng.random() < 0.1 else x
        x = x.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.8))) if rng.random() < 0.3 else x
        if rng.random() < 0.3:
            (a, b), (w, h) = rng.uniform(0, 0.7, 2) * px, rng.uniform(0.1, 0.35, 2) * px
            ImageDraw.Draw(x).rectangle((a, b, a + w, b + h), fill=int(rng.integers(256)))
        grey = np.asarray(x, dtype=np.float32) / 255 + rng.normal(0, 0.04 * rng.random(), (px, px)).astype(np.float32)
        return torch.from_numpy(grey.clip(0, 1) * 2 - 1)[None]

    return transform


class TwoViews(Dataset):
    """Two random views of an image, each float32 (1, px, px)."""

    def __init__(self, images: np.ndarray, transform: Callable[[np.ndarray], torch.Tensor]) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.images[row]), self.transform(self.images[row])


def pretrain_plainly(
    images: np.ndarray, profile: Profile, epochs: int, seed: int, kind: Kind, *, tuned: bool = False
) -> nn.Module:
    """Train the profile's network by SimCLR on uint8 (N, s, s) in a plain loop; returns the backbone.

    The loss is MONAI's for MONAI transforms and RayTruth's for Pillow. `tuned` trains in bfloat16 and channels_last.
    """
    torch.manual_seed(seed)
    backbone = make_backbone(profile)
    network = nn.Sequential(
        backbone,
        mlp(embedding_size(profile), embedding_size(profile), method_settings(profile, "simclr").projection_dim),
    )
    network = network.to(memory_format=torch.channels_last if tuned else torch.contiguous_format)
    contrast = (
        ContrastiveLoss(method_settings(profile, "simclr").temperature) if kind == "monai" else _own_loss(profile)
    )
    data = TwoViews(images, (monai_view if kind == "monai" else pillow_view)(profile.input_size))
    size = min(profile.batch_size, len(images))
    batches = DataLoader(data, size, shuffle=True, num_workers=WORKERS, drop_last=True, persistent_workers=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=method_settings(profile, "simclr").learning_rate, weight_decay=profile.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    for _ in range(epochs):
        for first, second in batches:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=tuned):
                a, b = network(torch.cat([first, second])).chunk(2)
            loss = contrast(a.float(), b.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return backbone.eval()


def _own_loss(profile: Profile) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda a, b: nt_xent(a, b, temperature=method_settings(profile, "simclr").temperature)
