"""Test accuracy against the labels of the archive, and against the labels after review.

Langer et al. 2024 (arXiv 2412.15967) review the test images on which model and label disagree, and call the result the
theoretical accuracy. It is an upper bound, because wrong labels that the model repeats are not reviewed, and because
reviewers see the proposal of the model. The results therefore say how many images were reviewed on each side.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import current_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.core.verdict_kinds import DECIDING, ERRORS, NEEDS_REGION
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.intake.training_set.region_remap import remap_regions
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap

log = logging.getLogger("raytruth")
_STAGES = ("linear_evaluation", "ensemble")


@dataclass(frozen=True)
class ReviewedAccuracy:
    """One model's accuracy on the test images, with 95 % intervals over patients, and how many were reviewed.

    `disagreements` are images on which model and label disagree; `label_wrong`, `out_of_domain` and `two_regions` count
    the verdicts on them. Of the `agreements_reviewed`, `agreements_wrong` had a wrong label nevertheless.
    """

    model: str
    images: int
    as_labelled: Interval
    as_reviewed: Interval
    disagreements: int
    disagreements_reviewed: int
    label_wrong: int
    out_of_domain: int
    two_regions: int
    agreements: int
    agreements_reviewed: int
    agreements_wrong: int

    @property
    def limit(self) -> str:
        """What the accuracy as reviewed does and does not show."""
        if not self.disagreements_reviewed + self.agreements_reviewed:
            return "No test image was reviewed: the accuracy as reviewed is the accuracy as labelled."
        if self.disagreements_reviewed < self.disagreements:
            return (
                "Only some disagreements were reviewed, the most suspicious first; all other images count as labelled."
            )
        if self.agreements_reviewed < self.agreements:
            return (
                "All disagreements were reviewed. This is an upper bound: wrong labels that the model repeats remain."
            )
        return "Every test image was reviewed."


def measure_reviewed_accuracy(root: Root) -> list[ReviewedAccuracy]:
    """Measure every encoder's probe on all labels, and the ensemble; write `models/metrics/reviewed_accuracy.json`.

    "As labelled" compares with the labels of the headers, also for reviewed images. "As reviewed" leaves out images
    out of domain, which have no right answer; with two regions, either one is right.
    Raises RayTruthError if there are no test predictions, or a verdict names a former class that is not mapped.
    """
    regions = root.taxonomy.regions
    predicted = _predictions(root.paths)
    table = load_training_set(root.paths)
    table = table[(table["split"] == "test") & table["header_region"].isin(regions)]
    verdicts = _verdicts(root, regions)
    results = []
    for model, rows in predicted.groupby("model", sort=False):
        known = rows[["image_id", "region"]].merge(table[["image_id", "patient_group", "header_region"]], on="image_id")
        if len(known):
            results.append(_compared(str(model), known.merge(verdicts, on="image_id", how="left"), root.settings))
    write_json(root.paths.metrics("reviewed_accuracy"), {r.model: {**asdict(r), "limit": r.limit} for r in results})
    for result in results:
        log.info(
            "%s: %.4f as labelled, %.4f as reviewed", result.model, result.as_labelled.value, result.as_reviewed.value
        )
    return results


def _predictions(paths: Paths) -> pd.DataFrame:
    path_list = [path for path in map(paths.test_predictions, _STAGES) if path.exists()]
    if not path_list:
        raise RayTruthError(
            "There are no test predictions yet",
            where=paths.place(paths.test_predictions(_STAGES[0]).parent),
            do="run `raytruth evaluate` and `raytruth ensemble`",
        )
    table = pd.concat([read_table(path) for path in path_list])
    table = table[(table["fraction"] == 1.0) & (table["repeat"] == 0)]
    return table.drop_duplicates(["model", "image_id"])


def _verdicts(root: Root, regions: tuple[str, ...]) -> pd.DataFrame:
    """The latest deciding verdict on each image: verdict, the label that was reviewed, the region that was named."""
    current = current_verdicts(load_verdicts(root.paths))
    decided = current[current["verdict"].isin(DECIDING)].drop_duplicates("image_id", keep="last")
    decided, _ = remap_regions(decided, root.settings.training_set.region_map, regions)
    decided = decided[["image_id", "verdict", "given_region", "region"]]
    return decided.rename(columns={"given_region": "reviewed_region", "region": "named_region"})


def _compared(model: str, known: pd.DataFrame, settings: Settings) -> ReviewedAccuracy:
    predicted, labelled = known["region"].to_numpy(object), known["header_region"].to_numpy(object)
    reviewed_label, named = known["reviewed_region"].to_numpy(object), known["named_region"].to_numpy(object)
    patients = known["patient_group"].to_numpy(object).astype(str)
    reviewed, error, region = (
        *(known["verdict"].notna().to_numpy(), known["verdict"].isin(ERRORS).to_numpy()),
        known["verdict"].isin(NEEDS_REGION).to_numpy(),
    )
    wrong, none, both = error & region, error & ~region, ~error & region
    agrees = predicted == labelled
    right = np.where(reviewed & ~wrong, predicted == reviewed_label, agrees)
    right = np.where(region, (predicted == named) | (both & right), right)
    resamples, seed = settings.evaluation.bootstrap, settings.seed
    kept = ~none
    return ReviewedAccuracy(
        model=model,
        images=len(known),
        as_labelled=patient_bootstrap(agrees.astype(float), patients, resamples, seed),
        as_reviewed=patient_bootstrap(right[kept].astype(float), patients[kept], resamples, seed),
        disagreements=int((~agrees).sum()),
        disagreements_reviewed=int((~agrees & reviewed).sum()),
        label_wrong=int((~agrees & wrong).sum()),
        out_of_domain=int((~agrees & none).sum()),
        two_regions=int((~agrees & both).sum()),
        agreements=int(agrees.sum()),
        agreements_reviewed=int((agrees & reviewed).sum()),
        agreements_wrong=int((agrees & (wrong | none)).sum()),
    )
