"""The quality phantom of a monthly constancy test: a step wedge, line pairs, low-contrast discs."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from raytruth_phantom.detector import detect, develop, draw_processing
from raytruth_phantom.patients import generator
from raytruth_phantom.radiograph import Radiograph
from raytruth_phantom.sites import Site

_STEPS = 11
_LINE_PAIRS = (0.2, 0.3, 0.45, 0.65, 0.9)  # a millimetre


def take_test_image(site: Site, key: str) -> Radiograph:
    """Expose the test object; everything is drawn from `key`."""
    rng = generator("test object", key)
    side, pitch = int(rng.integers(320, 520)), 0.5
    plan = Image.new("F", (side, side), 0.25)  # optical depth of the base plate
    draw = ImageDraw.Draw(plan)
    unit = side / 40
    for step in range(_STEPS):
        top = 4 * unit + step * 2.6 * unit
        draw.rectangle((4 * unit, top, 10 * unit, top + 2.6 * unit), fill=0.2 + 0.33 * step)
    x = 14 * unit
    for pairs in _LINE_PAIRS:
        width = max(1.0, 1 / (2 * pairs * pitch))
        for _ in range(4):
            draw.rectangle((x, 6 * unit, x + width - 0.4, 14 * unit), fill=2.6)
            x += 2 * width
        x += 1.2 * unit
    for index in range(8):
        cx, cy = (15 + 5.5 * (index % 4)) * unit, (22 + 7 * (index // 4)) * unit
        radius = 1.9 * unit
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=0.27 + 0.035 * index)
    draw.rectangle((1.5 * unit, 1.5 * unit, 38.5 * unit, 38.5 * unit), outline=2.0, width=2)
    plan = plan.rotate(float(rng.normal(0, 2)), Image.Resampling.BILINEAR, fillcolor=0.25)
    primary = np.exp(-np.asarray(plan, np.float32))
    field = np.array([(0, 0), (side, 0), (side, side), (0, side)], float) + rng.normal(0, 2, (4, 2))
    photons = float(np.exp(rng.uniform(*np.log(site.dose))) * pitch**2)
    signal = detect(primary, field, photons=photons, scatter=0.02, blur=0.6, grid=0.0, rng=rng)
    pixels = develop(signal, field, draw_processing(site, False, rng))
    return Radiograph(pixels, pitch, 70.0, 5.0, False)
