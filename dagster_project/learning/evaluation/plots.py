"""Confusion matrices, curves and maps, each as an image for people; tables also as CSV for DVC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import ConfusionMatrixDisplay

from dagster_project.core.atomic_io import write_text
from dagster_project.core.plotting import drawing, evenly
from dagster_project.learning.evaluation.metrics import Interval

_MOST_POINTS = 3000
_MARKERS = "osD^v<>PX*hpd8"


def draw_confusion(stem: Path, actual: np.ndarray, predicted: np.ndarray, regions: tuple[str, ...]) -> None:
    """Write `<stem>.png` and `<stem>.csv` (columns actual, predicted) of class numbers (N,), rows normalised to 1."""
    names = np.array(regions, dtype=object)
    table = pd.DataFrame({"actual": names[actual], "predicted": names[predicted]})
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False))
    with drawing(stem.with_suffix(".png"), width=1.6 + 0.55 * len(regions), height=1.2 + 0.5 * len(regions)) as axes:
        ConfusionMatrixDisplay.from_predictions(
            actual,
            predicted,
            labels=np.arange(len(regions)),
            display_labels=regions,
            normalize="true",
            values_format=".2f",
            cmap="Blues",
            colorbar=False,
            xticks_rotation=60,
            text_kw={"fontsize": 7},
            ax=axes,
        )
        axes.set(title=f"{stem.name.removeprefix('confusion_')}, test split", xlabel="predicted", ylabel="given label")


def draw_embedding_map(path: Path, embeddings: np.ndarray, labels: np.ndarray, regions: tuple[str, ...]) -> None:
    """t-SNE of embeddings (N, D) in two dimensions, coloured and marked by class number (N,); van der Maaten 2008."""
    chosen = evenly(len(labels), _MOST_POINTS)
    points, labels = embeddings[chosen], labels[chosen]
    points = PCA(min(30, *points.shape), random_state=0).fit_transform(points)
    flat = TSNE(perplexity=min(30, max(len(points) // 4, 1)), random_state=0, init="pca").fit_transform(points)
    colours = mpl.colormaps["tab20"]
    with drawing(path, width=8, height=6) as axes:
        for k, region in enumerate(regions):
            here = flat[labels == k]
            axes.scatter(
                here[:, 0], here[:, 1], s=14, color=colours(k % 20), marker=_MARKERS[k % len(_MARKERS)], label=region
            )
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        axes.set(title=path.stem.replace("_", " "), xticks=[], yticks=[])


def draw_label_fractions(stem: Path, accuracies: Mapping[str, Mapping[float, Interval]]) -> None:
    """Write `<stem>.png` and `<stem>.csv`: accuracy over the share of labels, one line a model, 95 % intervals."""
    rows = [
        {"model": model, "fraction": fraction, "accuracy": i.value, "low": i.low, "high": i.high}
        for model, intervals in accuracies.items()
        for fraction, i in intervals.items()
    ]
    table = pd.DataFrame(rows)
    write_text(stem.with_suffix(".csv"), table.to_csv(index=False, float_format="%.4f"))
    with drawing(stem.with_suffix(".png"), width=6, height=4) as axes:
        for model, line in table.groupby("model", sort=False):
            reach = [line["accuracy"] - line["low"], line["high"] - line["accuracy"]]
            axes.errorbar(line["fraction"], line["accuracy"], yerr=reach, marker="o", capsize=3, label=model)
        axes.set(xscale="log", xlabel="share of the training labels", ylabel="test accuracy")
        shares = sorted(table["fraction"].unique())
        axes.set_xticks(shares, [f"{100 * share:g} %" for share in shares])
        axes.minorticks_off()
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3)
