"""The stage: how each image of the training set is turned, and whether it is inverted."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_json, write_rows
from dagster_project.core.paths import Paths
from dagster_project.core.plotting import draw_montage
from dagster_project.intake.ingestion.pixels.turning import TURNS
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import gather_images, load_training_set
from dagster_project.learning.encoders.encoder import open_encoder
from dagster_project.learning.encoders.plugged_in_on import plugged_in_on
from dagster_project.learning.orientation.calibration import Calibration, HeldOut, calibrate
from dagster_project.learning.orientation.evaluate import measured
from dagster_project.learning.orientation.probe import Looks, fit_probe
from dagster_project.learning.orientation.store import save_no_orientation, save_orientation
from dagster_project.learning.orientation.tables import ORIENTATION, TURNED, finding_of
from dagster_project.learning.orientation.views import Sample, Views, draw_sample

log = logging.getLogger("raytruth")
_LEAST = 30  # images that a probe learns from
_SHOWN = 24
_IMAGE_SIZE = 160  # px


@dataclass(frozen=True)
class OrientationSummary:
    """`found`: images by batch and finding. `metrics`: as in `models/metrics/orientation.json`, {} if not judged."""

    images: int
    found: pd.DataFrame
    metrics: dict[str, Any]


def find_turned(root: Root) -> OrientationSummary:
    """Judge every image of the training set by probes that saw neither the image nor its patient.

    Writes `data/orientation.parquet`, `models/orientation/` with a probe for later batches, metrics and a montage.
    Without a plugged-in encoder, or with few images, no image is judged, and the table has no row.
    """
    table = load_training_set(root.paths)
    encoder = next(iter(plugged_in_on(root.settings)), "")
    if not encoder:
        return _not_judged(root, "pretraining.plugged_in names no encoder")
    views = Views(root, open_encoder(root, encoder), table)
    sample = draw_sample(views, root.settings.orientation.images, root.settings.seed)
    if len(sample.rows) < _LEAST:
        return _not_judged(root, f"the training part has {len(sample.rows)} images, fewer than {_LEAST}")
    looks, held_out = _cross_fitted(views, sample, table["fold"].to_numpy(int))
    calibration = calibrate(held_out, looks)
    save_orientation(root.paths.orientation_probe, fit_probe(sample), calibration, encoder)
    found = judged(table["image_id"], looks, calibration, root.settings.orientation.flag_above)
    usual = (found["finding"] == "").to_numpy()[sample.rows]
    return _report(
        root, table, found, measured(held_out.of(usual), table["region"].to_numpy(object)[sample.rows[usual]])
    )


def judged(image_ids: pd.Series, looks: Looks, calibration: Calibration, flag_above: float) -> pd.DataFrame:
    """Rows of ORIENTATION for images in the order of `looks`."""
    turns, inverted = calibration.turn_probabilities(looks), calibration.inverted_probability(looks)
    sure = np.where(turns.max(axis=1) > flag_above, np.array(TURNS)[turns.argmax(axis=1)], 0)
    found = pd.DataFrame(turns[:, 1:], columns=list(TURNED)).assign(image_id=image_ids.to_numpy(object))
    words = [finding_of(int(t), bool(i)) for t, i in zip(sure, inverted > flag_above, strict=True)]
    return found.assign(inverted=inverted, finding=words)


def _not_judged(root: Root, why: str) -> OrientationSummary:
    log.warning("turned and inverted images are not looked for: %s", why)
    save_no_orientation(root.paths.orientation_probe)
    table = load_training_set(root.paths).head(0)
    return _report(root, table, pd.DataFrame(columns=list(ORIENTATION.types)), {})


def _cross_fitted(views: Views, sample: Sample, fold: np.ndarray) -> tuple[Looks, HeldOut]:
    """Each image judged by the probe without its fold, and what these probes say of the sampled images."""
    stored, count, turns = views.as_stored(), len(fold), len(TURNS)
    looks = Looks(np.zeros((count, turns)), np.zeros(count), np.zeros(count, bool))
    own, drawn = fold[sample.rows], len(sample.rows)
    held_out = HeldOut(np.zeros((drawn, turns, turns)), np.zeros((drawn, turns)), np.zeros((drawn, 4)))
    for k in np.unique(fold):
        probe, rows = fit_probe(sample.of(own != k)), np.flatnonzero(fold == k)
        found = probe.look(stored[rows], lambda among, *how, rows=rows: views.embed(rows[among], *how))
        looks.turn[rows], looks.inverted[rows], looks.again[rows] = found.turn, found.inverted, found.again
        part = sample.of(own == k)
        held_out.turn[own == k] = np.stack([probe.turns(part.turns[:, j]) for j in range(turns)], axis=1)
        held_out.all_turns[own == k] = probe.all_turns(part.turns)
        both = np.concatenate([part.plain, part.inverted], axis=1)
        held_out.inverted[own == k] = np.stack([probe.inverted(both[:, j]) for j in range(both.shape[1])], axis=1)
    return looks, held_out


def _report(root: Root, table: pd.DataFrame, found: pd.DataFrame, metrics: dict[str, Any]) -> OrientationSummary:
    write_rows(root.paths.orientation, found, ORIENTATION)
    flagged = found.assign(batch=table["batch"].to_numpy(object))[found["finding"] != ""]
    by_finding = {str(name): int(n) for name, n in flagged["finding"].value_counts().items()}
    write_json(root.paths.metrics("orientation"), {"images": len(found), "found": by_finding, **metrics})
    draw_turned(root.paths, table, found, root.paths.plot("orientation", "turned.png"))
    log.info("orientation: %d of %d images are turned or inverted", len(flagged), len(found))
    counts = flagged.groupby(["batch", "finding"]).size().reset_index(name="images")
    return OrientationSummary(len(found), counts, metrics)


def draw_turned(paths: Paths, table: pd.DataFrame, found: pd.DataFrame, into: Path) -> None:
    """A montage of the flagged images, the surest first; `found` are rows of ORIENTATION for the rows of `table`."""
    flagged = np.flatnonzero(found["finding"] != "")
    surest = found[[*TURNED, "inverted"]].to_numpy(float)[flagged].max(axis=1)
    shown = flagged[np.argsort(-surest, kind="stable")][:_SHOWN]
    images = np.empty((0, _IMAGE_SIZE, _IMAGE_SIZE), np.uint8)
    if len(shown):
        images = gather_images(paths, table.iloc[shown], _IMAGE_SIZE)
    captions = [found["finding"].iloc[row].replace(", ", "\n") for row in shown]
    draw_montage(into, images, captions)
