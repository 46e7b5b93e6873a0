"""Which regions an image shows, by the probability that its label names each of them.

A label names one region, also if the image shows two. Such an image gets either label, so similar images have both. If
both labels are equally frequent, the region with the rarer label is visible with twice the probability of that label.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LISTED_FROM = 0.1  # least probability of a region that a table or a card lists


def visible_regions(label_probability: np.ndarray) -> np.ndarray:
    """The probability that an image shows each region, (N, K) in 0..1, given the probabilities of its label (N, K).

    At most two regions are shared: with L the label's probabilities, the image shows the first and the second choice
    with 2 L2, so the first choice is visible with L1 + L2, and any other region r with 2 Lr. This is the greatest
    probability that the labels allow: models that learned little give every image a second region.
    """
    visible = 2 * label_probability
    if visible.shape[1] > 1:
        order = label_probability.argsort(axis=1, kind="stable")
        first, second = order[:, -1:], order[:, -2:-1]
        both = np.take_along_axis(label_probability, first, 1) + np.take_along_axis(label_probability, second, 1)
        np.put_along_axis(visible, first, both, 1)
    return np.clip(visible, 0, 1)


def visible_as_text(visible: np.ndarray, regions: Sequence[str]) -> list[str]:
    """The listed regions of each image, the most probable first: (N, K) to `region:probability;…`; '' for none."""
    texts = []
    for row, order in zip(visible, (-visible).argsort(axis=1, kind="stable"), strict=True):
        texts.append(";".join(f"{regions[k]}:{row[k]:.2f}" for k in order if row[k] >= LISTED_FROM))
    return texts


def visible_from_text(text: str) -> dict[str, float]:
    """Region -> probability, the most probable first: `visible_as_text` of one image, read back."""
    parts = (part.rpartition(":") for part in text.split(";") if part)
    return {region: float(probability) for region, _, probability in parts}
