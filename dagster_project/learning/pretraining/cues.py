"""Non-anatomical cues (side markers, console text, rulers, gauges), pasted onto a whole batch on its device.

Such cues reveal room and protocol, and so the region. An encoder that has seen them anywhere, on any image, cannot rely
on them. (Shortcuts of this kind: Zech et al. 2018, PLOS Medicine 15(11).)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional as F

KINDS = ("marker", "text", "ruler")
_CELL = 64  # px, side of a drawn patch
_SIZES = {"marker": (0.10, 0.24), "text": (0.25, 0.6), "ruler": (0.5, 1.3)}  # of an image's side
_LETTERS = ("L", "R", "LI", "RE", "LT", "RT")
_WORDS = (
    "PORTABLE",
    "STANDING 1.5",
    "AP  70 kV",
    "LAT  60 kV",
    "12:41  EI 312",
    "STEHEND",
    "SUPINE\n81 kV 2 mAs",
    "a.p.",
)


def paste_cues(
    x: torch.Tensor, generator: torch.Generator, *, marker: float = 0, text: float = 0, ruler: float = 0
) -> torch.Tensor:
    """Paste one cue onto some images (B, 1, px, px) in 0..1, at any place and angle, more often near a margin.

    `marker`, `text` and `ruler` are the shares of the batch that get a cue of this kind, together at most 1. The
    images and everything else are drawn from `generator` on the images' device. Returns a new tensor.
    """
    shares = torch.tensor([marker, text, ruler], device=x.device)
    count = min(math.ceil((marker + text + ruler) * len(x) - 1e-6), len(x))
    if count == 0:
        return x
    patches, first, number, smallest, largest = _atlas(x.device, min(max(x.shape[-1] * 3 // 8, 12), _CELL))

    def draw(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=generator, device=x.device) * (high - low) + low

    chosen = torch.randperm(len(x), generator=generator, device=x.device)[:count]
    kind = (draw(0, 1)[:, None] * shares.sum() >= shares.cumsum(0)[:-1]).sum(dim=1)
    patch = patches[first[kind] + (draw(0, 1) * number[kind]).long()]  # (C, 2, cell, cell)
    size = smallest[kind] + draw(0, 1) * (largest - smallest)[kind]
    quarter = (draw(0, 4).floor() * (kind == KINDS.index("ruler"))) * (math.pi / 2)  # rulers run along either side
    theta = _placed(size, quarter + draw(-1, 1) * draw(0, 0.6), _near_a_margin(draw), _near_a_margin(draw))
    grid = F.affine_grid(theta, [count, 1, *x.shape[-2:]], align_corners=False)
    alpha, ink = F.grid_sample(patch, grid, mode="bilinear", padding_mode="zeros", align_corners=False).split(1, dim=1)
    opacity, grey = draw(0.6, 1).view(-1, 1, 1, 1), draw(0.7, 1).view(-1, 1, 1, 1)
    onto = x[chosen]
    return x.index_copy(0, chosen, onto + opacity * (grey * ink - alpha * onto))


def _near_a_margin(draw: Callable[[float, float], torch.Tensor]) -> torch.Tensor:
    at = draw(-1, 1)
    return at.sign() * at.abs().sqrt() * 0.9


def _placed(size: torch.Tensor, angle: torch.Tensor, at_x: torch.Tensor, at_y: torch.Tensor) -> torch.Tensor:
    """(C, 2, 3): from image coordinates to those of a patch of `size` (share of the side), turned and centred."""
    cos, sin = angle.cos() / size, angle.sin() / size
    rows = [
        torch.stack([cos, -sin, sin * at_y - cos * at_x], -1),
        torch.stack([sin, cos, -sin * at_x - cos * at_y], -1),
    ]
    return torch.stack(rows, 1)


@cache
def _atlas(device: torch.device, cell: int) -> tuple[torch.Tensor, ...]:
    """Every patch as (alpha, alpha times grey), float32 (M, 2, cell, cell) in 0..1, in the order of KINDS.

    Then, per kind: first patch, number of patches, smallest and largest size as a share of the image's side.
    """
    drawn = [_markers(), _texts(), _rulers()]
    patches = torch.from_numpy(np.stack([patch for kind in drawn for patch in kind]))
    patches = F.interpolate(patches, size=(cell, cell), mode="area")
    number = torch.tensor([len(kind) for kind in drawn])
    low, high = torch.tensor([_SIZES[kind] for kind in KINDS]).T
    return tuple(part.to(device) for part in (patches, number.cumsum(0) - number, number, low, high))


def _markers() -> list[np.ndarray]:
    """Lead letters: bare, ringed, boxed, underlined, dark on a plate, and each mirrored."""
    found = []
    for letters in _LETTERS:
        for form in ("bare", "ring", "box", "bar", "plate"):
            alpha, grey = _blank()
            middle, ends = _CELL / 2, (6, 6, _CELL - 7, _CELL - 7)
            ink = ImageDraw.Draw(grey if form == "plate" else alpha)
            if form == "ring":
                ink.ellipse(ends, outline=255, width=4)
            elif form == "box":
                ink.rectangle(ends, outline=255, width=4)
            elif form == "bar":
                ink.rectangle((8, _CELL - 9, _CELL - 9, _CELL - 4), fill=255)
            elif form == "plate":
                ImageDraw.Draw(alpha).rectangle(ends, fill=255)
            size = (44 if form in ("bare", "bar") else 36) if len(letters) == 1 else 28
            ink.text((middle, middle - 2), letters, fill=0 if form == "plate" else 255, font=_font(size), anchor="mm")
            found.append(_patch(alpha, grey))
    return found + [patch[:, :, ::-1].copy() for patch in found]


def _texts() -> list[np.ndarray]:
    """Lines of console text: bright, and on a dark bar."""
    found = []
    for words in _WORDS:
        for bar in (False, True):
            alpha, grey = _blank(0 if bar else 255)
            font = _font(int(62 / 0.8 / max(len(line) for line in words.split("\n"))))
            if bar:
                left, top, right, bottom = ImageDraw.Draw(alpha).textbbox((32, 32), words, font=font, anchor="mm")
                ImageDraw.Draw(alpha).rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=255)
            ImageDraw.Draw(grey if bar else alpha).text((32, 32), words, fill=255, font=font, anchor="mm")
            found.append(_patch(alpha, grey))
    return found


def _rulers() -> list[np.ndarray]:
    """Scales with ticks on one or both sides, a step wedge, a ball, a cross of wires, a ring, a plain strip."""
    found = []
    for step, both in ((3, False), (4, True), (6, False), (8, True)):
        alpha, grey = _blank()
        ink = ImageDraw.Draw(alpha)
        ink.line((32, 0, 32, _CELL), fill=255, width=2)
        for i, y in enumerate(range(0, _CELL, step)):
            length = 7 if i % 5 == 0 else 4
            ink.line((32 - (length if both else 0), y, 32 + length, y), fill=255)
        found.append(_patch(alpha, grey))
    for shape in ("wedge", "ball", "cross", "ring", "strip"):
        alpha, grey = _blank()
        ink, tone = ImageDraw.Draw(alpha), ImageDraw.Draw(grey)
        if shape == "wedge":
            ink.rectangle((27, 4, 37, 59), fill=255)
            for i in range(7):
                tone.rectangle((27, 4 + 8 * i, 37, 11 + 8 * i), fill=40 + 35 * i)
        elif shape == "ball":
            ink.ellipse((28, 28, 36, 36), fill=255)
        elif shape == "cross":
            ink.line((32, 0, 32, 63), fill=200)
            ink.line((0, 32, 63, 32), fill=200)
        elif shape == "ring":
            ink.ellipse((24, 24, 40, 40), outline=255, width=2)
        else:
            ink.rectangle((29, 0, 35, 63), fill=230)
        found.append(_patch(alpha, grey))
    return found


def _blank(grey: int = 255) -> tuple[Image.Image, Image.Image]:
    return Image.new("L", (_CELL, _CELL), 0), Image.new("L", (_CELL, _CELL), grey)


def _patch(alpha: Image.Image, grey: Image.Image) -> np.ndarray:
    opaque, tone = (np.asarray(layer, np.float32) / 255 for layer in (alpha, grey))
    return np.stack([opaque, opaque * tone])


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf", size)
