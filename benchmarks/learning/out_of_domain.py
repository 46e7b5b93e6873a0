"""How well `ood_score` separates out-of-domain images from images of the classes, against plainer scores.

    python -m benchmarks.learning.out_of_domain SITE [--truth EXPORT/truth.csv]

SITE is a root on which `evaluate` has run. Each class is hidden in turn: neither probe nor score learns from its
images, which are then compared with the test images of the other classes. Further groups are noise, photographs, drawn
test objects, and, with --truth, the images that the truth file calls out of domain, although they had labels.
All scores use the embeddings of the encoder that tells which images are similar. The area under the ROC curve has a
95 % interval over resampled images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.special import logsumexp, softmax
from skimage import data as photographs
from skimage.transform import resize
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import normalize

from benchmarks.real_export import joined
from benchmarks.results import arguments, save
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.root import Root
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.ensembling.calibration import fit_temperature
from dagster_project.learning.ensembling.out_of_domain import fit_out_of_domain
from dagster_project.learning.evaluation.embeddings import load_embeddings
from dagster_project.learning.evaluation.labelled import LabelledSet, load_labelled_set
from dagster_project.learning.evaluation.linear_head import fit_linear_head
from dagster_project.learning.pretraining.methods_on import similarity_encoder

SCORES = ("ood_score", "1 - confidence", "energy", "nearest training image")
_C, _LEAST, _RESAMPLES = 0.01, 10, 200


def scores_of(embeddings: np.ndarray, data: LabelledSet, hidden: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """What gives embeddings (N, D) each of SCORES (N,), fitted without the class `hidden` (-1: with all)."""
    train, validation = (rows[data.labels[rows] != hidden] for rows in (data.train, data.validation))
    kept, labels = np.unique(data.labels[train], return_inverse=True)
    validation = validation[np.isin(data.labels[validation], kept)]
    head = fit_linear_head(embeddings[train], labels, len(kept), _C)
    logits = head.logits(embeddings[validation])
    temperature = fit_temperature(logits, np.searchsorted(kept, data.labels[validation]))
    held_out = embeddings[validation], softmax(logits / temperature, axis=1)
    fitted = fit_out_of_domain(embeddings[train], labels, data.patients(train), held_out)
    unit = normalize(embeddings[train])

    def scores(asked: np.ndarray) -> dict[str, np.ndarray]:
        found = head.logits(asked) / temperature
        probabilities = softmax(found, axis=1)
        nearest = 1 - (normalize(asked) @ unit.T).max(axis=1)
        values = fitted.score(asked, probabilities), 1 - probabilities.max(axis=1), -logsumexp(found, axis=1), nearest
        return dict(zip(SCORES, values, strict=True))

    return scores


def strange_images(side: int) -> dict[str, np.ndarray]:
    """uint8 (N, side, side) for noise, photographs, and drawings of test objects."""
    rng = np.random.default_rng(5)
    noise = [gaussian_filter(rng.normal(size=(side, side)), s) for s in (0.01, 1, 2, 4, 8, 16) for _ in range(8)]
    photos = list(_photographs())
    for photo in list(photos):
        rows, columns = photo.shape
        photos += [photo[: rows // 2, : columns // 2], photo[rows // 2 :, columns // 2 :]]
    y, x = np.indices((side, side)) - side / 2
    drawn = [np.kron(np.linspace(0, 1, n)[None], np.ones((side, side // n))) for n in (4, 6, 8, 12, 16, 20)]
    drawn += [(np.sin(np.arctan2(y, x) * n) > 0) * (np.hypot(x, y) < 0.45 * side) for n in (8, 12, 16, 24, 32, 48)]
    drawn += [(np.sin(x / n) * np.sin(y / n) > 0).astype(float) for n in (2, 3, 5, 8, 13, 20)]
    drawn = [image + rng.normal(0, 0.02, image.shape) for image in drawn]
    groups = {"noise": noise, "photographs": photos, "drawn test objects": drawn}
    return {name: np.stack([_stretched(image, side) for image in images]) for name, images in groups.items()}


def _photographs() -> Iterator[np.ndarray]:
    for name in (
        "astronaut",
        "brick",
        "camera",
        "chelsea",
        "coffee",
        "coins",
        "grass",
        "gravel",
        "moon",
        "page",
        "text",
    ):
        image = getattr(photographs, name)().astype(float)
        yield image if image.ndim == 2 else image.mean(axis=2)


def _stretched(image: np.ndarray, side: int) -> np.ndarray:
    low, high = np.percentile(image, [0.5, 99.5])
    sized = resize(np.clip((image - low) / max(high - low, 1e-9), 0, 1), (side, side), anti_aliasing=True)
    return (255 * sized).astype(np.uint8)


def area(usual: np.ndarray, strange: np.ndarray, seed: int) -> dict[str, float]:
    """Area under the ROC curve, with its interval over resampled images of both groups."""
    rng = np.random.default_rng(seed)

    def once(a: np.ndarray, b: np.ndarray) -> float:
        return float(roc_auc_score(np.repeat([0, 1], [len(a), len(b)]), np.concatenate([a, b])))

    again = [once(rng.choice(usual, len(usual)), rng.choice(strange, len(strange))) for _ in range(_RESAMPLES)]
    low, high = np.percentile(again, [2.5, 97.5])
    return {"area": once(usual, strange), "low": float(low), "high": float(high)}


def measure(root: Root, truth: Path | None) -> pd.DataFrame:
    """One row per group and score."""
    data, name = load_labelled_set(root), similarity_encoder(root.settings)
    embeddings = load_embeddings(root.paths, name, len(data.table))
    outside = _outside(root, data, truth)
    rows = []

    def add(
        group: str, fitted: Callable[[np.ndarray], dict[str, np.ndarray]], usual: np.ndarray, asked: np.ndarray
    ) -> None:
        ours, theirs = fitted(usual), fitted(asked)
        for score in SCORES:
            found = area(ours[score], theirs[score], root.settings.seed)
            rows.append({"group": group, "images": len(asked), "usual images": len(usual), "score": score, **found})

    test = data.test[~outside[data.test]]
    for hidden in np.unique(data.labels[data.train]):
        own = data.labels == hidden
        if (own & ~outside).sum() >= _LEAST:
            others = embeddings[test[~own[test]]]
            add(
                f"class {data.regions[hidden]}", scores_of(embeddings, data, hidden), others, embeddings[own & ~outside]
            )
    encoder, fitted = open_encoder(root, name), scores_of(embeddings, data, -1)
    for group, images in strange_images(root.settings.ingestion.image_size).items():
        add(group, fitted, embeddings[test], encoder.embed(images))
    held_out = outside & ~np.isin(np.arange(len(outside)), np.concatenate([data.train, data.validation]))
    if held_out.any():
        add("out of domain by the truth", fitted, embeddings[test], embeddings[held_out])
    return pd.DataFrame(rows)


def _outside(root: Root, data: LabelledSet, truth: Path | None) -> np.ndarray:
    """Whether the truth file calls an image out of domain, bool (N,); none without one."""
    if truth is None:
        return np.zeros(len(data.table), bool)
    known = joined(root.paths, truth).set_index("image_id")["role"].reindex(data.table["image_id"])
    return (known == "out_of_domain").to_numpy(bool)


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--truth", type=Path)
    options = parser.parse_args()
    paths = Paths(options.site.resolve())
    save(measure(Root(paths, load_settings(paths.settings)), options.truth), "out_of_domain", options.out)


if __name__ == "__main__":
    main()
