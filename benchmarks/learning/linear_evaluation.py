"""Time of the linear evaluation: probes with every share of the labels and nearest neighbours, for one encoder.

    python -m benchmarks.learning.linear_evaluation [--images 48434] [--size 512]

The embeddings are random: 14 classes of unequal size, each of several clusters, in few directions, non-negative like
after a ReLU, with 4 % of wrong labels. The probes are those of the pipeline (draws, candidates of C, neighbours of
params.yaml). The peer is scikit-learn's logistic regression (L-BFGS, its default) on all labels, with the same
candidates; the table shows the difference in log loss on validation. Goal: under 60 s for the pipeline on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from benchmarks.results import arguments, save, shipped_settings
from dagster_project.core.settings.settings import Settings
from dagster_project.learning.evaluation.labelled import LabelledSet
from dagster_project.learning.evaluation.linear_evaluation import nearest_neighbours, probe
from dagster_project.learning.evaluation.linear_head import fit_linear_head

CLASSES, WRONG = 14, 0.04
GOAL = 60.0


def drawn(images: int, size: int, seed: int, settings: Settings) -> tuple[np.ndarray, LabelledSet]:
    """Embeddings float32 (images, size) and a labelled set with a split of the configured shares."""
    rng = np.random.default_rng(seed)
    share = np.geomspace(1, 6, CLASSES)
    truth = rng.choice(CLASSES, images, p=share / share.sum())
    cluster = truth * 5 + rng.integers(0, 5, images)  # poses and projections within a region
    latent = 64
    region, pose = rng.normal(0, 0.55, (CLASSES, latent)), rng.normal(0, 0.45, (CLASSES * 5, latent))
    within = rng.normal(0, 1, (images, latent)) * np.linspace(1.2, 0.3, latent)
    mixed = (region[truth] + pose[cluster] + within) @ rng.normal(0, 1, (latent, size)) / 8
    embeddings = np.maximum(mixed + rng.normal(0, 0.1, mixed.shape) + 0.4, 0) * np.geomspace(0.05, 2, size)
    labels = np.where(rng.random(images) < WRONG, rng.integers(0, CLASSES, images), truth)
    kind = rng.choice(3, images, p=_shares(settings))
    rows = [np.flatnonzero(kind == k) for k in range(3)]
    names = tuple(f"region {k}" for k in range(CLASSES))
    return embeddings.astype(np.float32), LabelledSet(pd.DataFrame(index=range(images)), labels, names, *rows)


def measure(settings: Settings, images: int, size: int) -> pd.DataFrame:
    """One row per part of the work, in seconds, for RayTruth and scikit-learn if both ran; the last row is the sum."""
    embeddings, data = drawn(images, size, settings.seed, settings)
    section, rows = settings.evaluation, []
    for fraction in section.fractions:
        with timed(rows, f"probes at {fraction:.0%} of the labels"):
            found = probe(embeddings, data, fraction, settings)
        rows[-1]["accuracy"] = np.mean([(p.probabilities.argmax(1) == data.labels[data.test]).mean() for p in found])
    with timed(rows, "nearest neighbours"):
        near = nearest_neighbours(embeddings, data, section)
    rows[-1]["accuracy"] = (near == data.labels[data.test]).mean()
    rows.append({"part": "all", "seconds": sum(row["seconds"] for row in rows)})
    ours = {row["part"]: row["seconds"] for row in rows}
    rows += [
        _peer_probes(embeddings, data, section.inverse_regularisation, ours["probes at 100% of the labels"]),
        _peer_neighbours(embeddings, data, section.neighbours, near, ours["nearest neighbours"]),
    ]
    return pd.DataFrame(rows)


@contextmanager
def timed(rows: list[dict[str, object]], part: str) -> Iterator[None]:
    """Append a row with the seconds of the body."""
    started = time.perf_counter()
    yield
    rows.append({"part": part, "seconds": time.perf_counter() - started})


def _peer_probes(
    embeddings: np.ndarray, data: LabelledSet, candidates: tuple[float, ...], ours: float
) -> dict[str, object]:
    x, y = embeddings[data.train], data.labels[data.train]
    seen, labels = embeddings[data.validation], data.labels[data.validation]
    rows: list[dict[str, object]] = []
    with timed(rows, "scikit-learn: probes at 100% of the labels"):
        scaler = make_pipeline(Normalizer(), StandardScaler()).fit(x)
        fitted = [LogisticRegression(C=c, max_iter=1000).fit(scaler.transform(x), y) for c in candidates]
    apart = [
        abs(
            log_loss(labels, peer.predict_proba(scaler.transform(seen)))
            - log_loss(labels, fit_linear_head(x, y, CLASSES, c).probabilities(seen))
        )
        for c, peer in zip(candidates, fitted, strict=True)
    ]
    return rows[0] | {"ratio": rows[0]["seconds"] / ours, "log_loss_apart": max(apart)}


def _peer_neighbours(
    embeddings: np.ndarray, data: LabelledSet, count: int, near: np.ndarray, ours: float
) -> dict[str, object]:
    rows: list[dict[str, object]] = []
    with timed(rows, "scikit-learn: nearest neighbours"):
        model = KNeighborsClassifier(count, metric="cosine", weights="distance")
        peer = model.fit(embeddings[data.train], data.labels[data.train]).predict(embeddings[data.test])
    return rows[0] | {"ratio": rows[0]["seconds"] / ours, "same_answers": (peer == near).mean()}


def _shares(settings: Settings) -> list[float]:
    test, validation = settings.training_set.test, settings.training_set.validation
    return [1 - test - validation, validation, test]


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("--images", type=int, default=48_434)
    parser.add_argument("--size", type=int, default=512)
    args = parser.parse_args()
    table = measure(shipped_settings(), args.images, args.size)
    save(table, "linear_evaluation", args.out)
    seconds = table.set_index("part").loc["all", "seconds"]
    print(f"all: {seconds:.1f} s; goal: under {GOAL:.0f} s: {'met' if seconds < GOAL else 'missed'}")


if __name__ == "__main__":
    main()
