"""The risk-coverage curve and the reliability diagram, each as an image for people and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_text
from dagster_project.core.plotting import drawing, evenly
from dagster_project.learning.ensembling.selective import Answers, AutoLabel, risk_coverage

_MOST_POINTS = 500
_BINS = 15


def draw_risk_coverage(stem: Path, test: Answers, auto_label: Sequence[AutoLabel]) -> None:
    """Write `<stem>.png` and `<stem>.csv`: accuracy over coverage on test, with the thresholds chosen on validation."""
    levels, risk, coverage = risk_coverage(test.confidence, test.right)
    table = pd.DataFrame({"confidence": levels, "coverage": coverage, "accuracy": 1 - risk})
    table = table.iloc[evenly(len(table), _MOST_POINTS)]
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False, float_format="%.5f"))
    with drawing(stem.with_suffix(".png"), width=6, height=4) as axes:
        axes.step(table["coverage"], table["accuracy"], where="post", label="ensemble, test split")
        for chosen in auto_label:
            if chosen.accuracy:
                label = f"target {chosen.wanted:.1%}: confidence {chosen.confidence:.3f}"
                axes.plot(chosen.coverage, chosen.accuracy.value, "o", label=label)
        axes.set(xlabel="coverage: share of images, most confident first", ylabel="accuracy of these images")
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)


def draw_reliability(stem: Path, models: Mapping[str, Answers]) -> None:
    """Write `<stem>.png` and `<stem>.csv`: accuracy over confidence in 15 equal bins, one line per model.

    A dot's area is its share of the images. On the diagonal a model is perfectly calibrated. DeGroot & Fienberg
    1983; Guo et al. 2017, arXiv 1706.04599.
    """
    table = pd.concat([_bins(found).assign(model=name) for name, found in models.items()], ignore_index=True)
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False, float_format="%.5f"))
    with drawing(stem.with_suffix(".png"), width=5, height=4.5) as axes:
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfectly calibrated")
        for name, line in table.groupby("model", sort=False):
            axes.plot(line["confidence"], line["accuracy"], label=name)
            share = line["images"] / line["images"].sum()
            axes.scatter(line["confidence"], line["accuracy"], s=10 + 200 * share)
        axes.set(xlabel="confidence", ylabel="test accuracy", xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)


def _bins(found: Answers) -> pd.DataFrame:
    """Images, mean confidence and accuracy of each bin with images."""
    bin_of = np.minimum((found.confidence * _BINS).astype(int), _BINS - 1)
    table = pd.DataFrame({"bin": bin_of, "confidence": found.confidence, "accuracy": found.right})
    means = table.groupby("bin").agg(
        images=("accuracy", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    return means.reset_index(drop=True)
