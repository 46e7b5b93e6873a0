"""How well turned and inverted images are recognised among a site's own images, with planted errors.

    python -m benchmarks.learning.orientation SITE [--images 400 800 2500]

SITE is a root with a training set and a plugged-in encoder. In a copy of its stored images a share is turned by 90°,
180° and 270° clockwise, and inverted, as the ingestion would store such a file. Then the stage judges all images; no
probe has seen the image or its patient. An image that the site itself had turned counts as upright, so its finding
counts as a false alarm, and planted turns of such images count with the wrong angle.
Baselines: brightness of the border (inverted), width over height (90° and 270°), brightness of the lower over the upper
half (180°).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from benchmarks.results import arguments, save
from dagster_project.core.atomic_io import read_table, write_array, write_table
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.ingestion.pixels.letterbox import content_of
from dagster_project.intake.ingestion.pixels.turning import TURNS, turned
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.learning.orientation.find import find_turned
from dagster_project.learning.orientation.tables import TURNED

KINDS = (*TURNED, "inverted")
_WORDS = {kind: f"turned by {degrees}°" for kind, degrees in zip(TURNED, TURNS[1:], strict=True)} | {
    "inverted": "inverted"
}


def planted_site(root: Root, folder: Path, images: int, share: float, seed: int) -> tuple[Root, np.ndarray]:
    """A root in `folder` with at most so many images, of whole patients, and the error planted in each, '' for none."""
    draw = np.random.default_rng(seed)
    table, paths = load_training_set(root.paths), Paths(folder)
    groups = draw.permutation(table["patient_group"].unique())
    size = table["patient_group"].value_counts()[groups].cumsum()
    table = table[table["patient_group"].isin(size.index[size <= images])].reset_index(drop=True)
    kinds, order = np.full(len(table), "", dtype=object), draw.permutation(len(table))
    each = max(round(share * len(table)), 1)
    for k, kind in enumerate(KINDS):
        kinds[order[k * each : (k + 1) * each]] = kind
    seen = gather_images(root.paths, table, root.settings.ingestion.image_size)
    for i in np.flatnonzero(kinds != ""):
        degrees = TURNS[1 + TURNED.index(kinds[i])] if kinds[i] in TURNED else 0
        seen[i] = turned(seen[i], degrees, inverted=kinds[i] == "inverted")
    write_table(paths.training_set, table.assign(batch="planted", row=np.arange(len(table), dtype="int32")))
    write_array(paths.pixels("planted"), seen)
    paths.plugged_in.parent.mkdir()
    paths.plugged_in.symlink_to(root.paths.plugged_in)
    root.paths.embedding_cache.mkdir(exist_ok=True)
    paths.embedding_cache.symlink_to(root.paths.embedding_cache)  # images that come again cost nothing
    return Root(paths, root.settings), kinds


def baselines(images: np.ndarray) -> dict[str, np.ndarray]:
    """A plain score (N,) for each of KINDS."""
    contents = [content_of(image).astype(float) for image in images]
    wide = np.array([content.shape[1] / content.shape[0] for content in contents])
    halves = [(c[: len(c) // 2].mean(), c[len(c) // 2 :].mean()) for c in contents]
    heavy = np.array([(lower + 1) / (upper + 1) for upper, lower in halves])
    border = np.array(
        [np.concatenate([c[:4].ravel(), c[-4:].ravel(), c[:, :4].ravel(), c[:, -4:].ravel()]).mean() for c in contents]
    )
    return dict(zip(KINDS, (wide, heavy, wide, border), strict=True))


def measure(root: Root, images: int, share: float, seed: int) -> Iterator[dict[str, object]]:
    """Rows of the result for one planted site."""
    with tempfile.TemporaryDirectory() as folder:
        site, kinds = planted_site(root, Path(folder), images, share, seed)
        summary = find_turned(site)
        found = read_table(site.paths.orientation)
        table = load_training_set(site.paths)
        plain = baselines(gather_images(site.paths, table, site.settings.ingestion.image_size))
    about = {"images": len(table), "seed": seed}
    for kind in KINDS:
        own, flagged = kinds == kind, (found["finding"] == _WORDS[kind]).to_numpy()
        sure = (found[kind] > 0.95).to_numpy()
        yield {
            **about,
            "kind": kind,
            "region": "all",
            "planted": int(own.sum()),
            "area": roc_auc_score(own, found[kind]),
            "area of the baseline": roc_auc_score(own, plain[kind]),
            "found": int((flagged & own).sum()),
            "flagged, not planted": int((flagged & (kinds == "")).sum()),
            "surer than 0.95": int((sure & own).sum()),
            "surer, not planted": int((sure & (kinds == "")).sum()),
            "surer, planted otherwise": int((sure & ~own & (kinds != "")).sum()),
            "by the stage itself": summary.metrics["auc"][kind.removeprefix("turned_")],
        }
    regions = table["region"].to_numpy(object)
    for region, area in summary.metrics["auc_180_by_region"].items():
        own, here = kinds == "turned_180", regions == region
        if (own & here).any():
            yield {
                **about,
                "kind": "turned_180",
                "region": region,
                "planted": int((own & here).sum()),
                "area": roc_auc_score(own[here], found["turned_180"][here]),
                "area of the baseline": roc_auc_score(own[here], plain["turned_180"][here]),
                "by the stage itself": area,
            }


def main() -> None:
    """Measure, print, write the CSV."""
    parser = arguments(__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[400, 800, 2500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--share", type=float, default=0.025, help="of the images, for each kind of error")
    options = parser.parse_args()
    paths = Paths(options.site.resolve())
    root = Root(paths, load_settings(paths.settings))
    rows = [row for n in options.images for seed in options.seeds for row in measure(root, n, options.share, seed)]
    save(pd.DataFrame(rows), "orientation", options.out)


if __name__ == "__main__":
    main()
