"""Random views of a whole batch at once, on the batch's device: one fused affine warp, then intensities.

The encoder learns what two views have in common. So views differ in everything that does not define a region: position,
size, rotation and side in the image, collimation, exposure, processing, inversion, noise, and non-anatomical content
(markers, rulers, text, borders).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from dagster_project.learning.pretraining.cues import paste_cues


@dataclass(frozen=True)
class Strength:
    """Ranges from which the view of each image is drawn; probabilities are per image."""

    area: tuple[float, float] = (0.3, 1.0)  # share of the image's area that the crop shows
    aspect: float = 0.25  # natural logarithm of the greatest stretch of one axis
    degrees: float = 25.0
    flip: float = 0.5
    gamma: float = 0.4  # natural logarithm
    contrast: float = 0.4
    brightness: float = 0.25
    invert: float = 0.1
    blur: float = 0.3
    noise: float = 0.04  # of the range 0..1
    cutout: float = 0.3
    collimate: float = 0.3
    collimator_degrees: float = 12.0
    bright_border: float = 0.25  # of the collimated images: unexposed film instead of a blackened shutter
    marker: float = 0.2  # share of the batch, like text and ruler; an image gets at most one of the three
    text: float = 0.1
    ruler: float = 0.1


def random_view(
    images: torch.Tensor, px: int, generator: torch.Generator, strength: Strength = Strength()
) -> torch.Tensor:
    """One random view of each image.

    `images` is uint8 (B, s, s); returns float32 (B, 1, px, px) in -1..1. All random numbers come from `generator`, on
    the images' device.
    """
    draw = _Draw(generator, len(images), images.device)
    x = images[:, None].float().div_(255)  # (B, 1, s, s)
    grid = F.affine_grid(_affine(draw, strength), [len(x), 1, px, px], align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)  # (B, 1, px, px)
    x = _collimated(x, draw, strength)
    x = paste_cues(x, generator, marker=strength.marker, text=strength.text, ruler=strength.ruler)
    x = _exposed(x, draw, strength)
    x = _blurred(x, draw, strength)
    x = x + torch.randn(x.shape, generator=generator, device=x.device) * draw.between(0, strength.noise)
    x = _cut_out(x, draw, strength)
    return x.clamp_(0, 1).mul_(2).sub_(1)


@dataclass(frozen=True)
class _Draw:
    generator: torch.Generator
    count: int
    device: torch.device

    def between(self, low: float, high: float) -> torch.Tensor:
        """(B, 1, 1, 1), uniform."""
        drawn = torch.rand((self.count, 1, 1, 1), generator=self.generator, device=self.device)
        return drawn * (high - low) + low

    def happens(self, probability: float) -> torch.Tensor:
        """(B, 1, 1, 1), bool."""
        return self.between(0, 1) < probability


def _affine(draw: _Draw, strength: Strength) -> torch.Tensor:
    """(B, 2, 3): crop, stretch, rotation, flip and shift in one matrix, in the coordinates of affine_grid."""
    scale = draw.between(*strength.area).sqrt().flatten()
    stretch = draw.between(-strength.aspect, strength.aspect).flatten().exp().sqrt()
    angle = draw.between(-1, 1).flatten() * math.radians(strength.degrees)
    mirror = torch.where(draw.happens(strength.flip).flatten(), -1.0, 1.0)
    wide, high = scale * stretch * mirror, scale / stretch
    free_x, free_y = (1 - wide.abs()).clamp(min=0), (1 - high).clamp(min=0)
    shift_x, shift_y = draw.between(-1, 1).flatten() * free_x, draw.between(-1, 1).flatten() * free_y
    cos, sin = angle.cos(), angle.sin()
    rows = [torch.stack([wide * cos, -high * sin, shift_x], -1), torch.stack([wide * sin, high * cos, shift_y], -1)]
    return torch.stack(rows, 1)


def _exposed(x: torch.Tensor, draw: _Draw, strength: Strength) -> torch.Tensor:
    x = x.clamp(1e-4, 1).pow(draw.between(-strength.gamma, strength.gamma).exp())
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - middle) * draw.between(1 - strength.contrast, 1 + strength.contrast) + middle
    x = x + draw.between(-strength.brightness, strength.brightness)
    return torch.where(draw.happens(strength.invert), 1 - x, x)


def _blurred(x: torch.Tensor, draw: _Draw, strength: Strength) -> torch.Tensor:
    """A 3 x 3 binomial filter, mixed in by a random share."""
    soft = F.pad(x, (1, 1, 1, 1), mode="replicate")  # sums of shifted images: much faster than a convolution
    soft = (soft[..., :-2] + 2 * soft[..., 1:-1] + soft[..., 2:]) / 4
    soft = (soft[..., :-2, :] + 2 * soft[..., 1:-1, :] + soft[..., 2:, :]) / 4
    share = draw.between(0, 1) * draw.happens(strength.blur)
    return x + (soft - x) * share


def _cut_out(x: torch.Tensor, draw: _Draw, strength: Strength) -> torch.Tensor:
    """A rectangle filled with one grey: a plate, a marker, a cover."""
    inside = _rectangle(x, draw, (0.1, 0.35), middle=0.5) & draw.happens(strength.cutout)
    return torch.where(inside, draw.between(0, 1), x)


def _collimated(x: torch.Tensor, draw: _Draw, strength: Strength) -> torch.Tensor:
    """Black or bright outside a slightly turned rectangle around the middle."""
    field = _rectangle(x, draw, (0.6, 1.0), middle=0.15, degrees=strength.collimator_degrees)
    border = draw.happens(strength.bright_border) * draw.between(0.7, 1)
    return torch.where(~field & draw.happens(strength.collimate), border, x)


def _rectangle(
    x: torch.Tensor, draw: _Draw, sides: tuple[float, float], *, middle: float, degrees: float = 0
) -> torch.Tensor:
    """bool (B, 1, px, px): inside a rectangle with sides in the range `sides` times px, turned by up to `degrees`.

    The centre of the rectangle lies within `middle`.
    """
    at = torch.linspace(-0.5, 0.5, x.shape[-1], device=x.device)
    half_high, half_wide = draw.between(*sides) / 2, draw.between(*sides) / 2
    down, right = at[:, None] - draw.between(-middle, middle), at[None, :] - draw.between(-middle, middle)
    if degrees:
        slope = (draw.between(-1, 1) * math.radians(degrees)).tan()
        down, right = down + slope * right, right - slope * down
    return (down.abs() <= half_high) & (right.abs() <= half_wide)
