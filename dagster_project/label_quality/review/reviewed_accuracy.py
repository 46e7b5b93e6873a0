"""Test accuracy against the labels as the archive gives them, and against what reviewers made of them.

Langer et al. 2024 (arXiv 2412.15967) read the test images on which the model and the label disagreed and call what is
left the theoretical accuracy. Wrong labels that the model repeats are not read then, so it is an upper bound; and
reviewers see what the model proposes. How much was read on either side stands beside the numbers.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table, write_json
from dagster_project.core.errors import RayTruthError
from dagster_project.core.ledger import load_verdicts, standing
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.intake.training_set.region_remap import migrate
from dagster_project.label_quality.review.reader_assignment import UNDECIDED
from dagster_project.learning.evaluation.metrics import Interval, patient_bootstrap

log = logging.getLogger("raytruth")
_STAGES = ("linear_evaluation", "ensemble")
_VERDICTS = ("wrong_label", "two_regions", "out_of_domain")


@dataclass(frozen=True)
class AsReviewed:
    """One model's accuracy on the test images, with 95 % intervals over patients, and what of them was read.

    `disagreements` are images whose label the model contradicts: of those read, the label was right, wrong, of no
    region, or one of two. `agreements_wrong` of the `agreements_read` had a wrong label all the same.
    """

    model: str
    images: int
    as_labelled: Interval
    as_reviewed: Interval
    disagreements: int
    disagreements_read: int
    label_wrong: int
    out_of_domain: int
    two_regions: int
    agreements: int
    agreements_read: int
    agreements_wrong: int

    @property
    def limit(self) -> str:
        """What the accuracy as reviewed may and may not be taken for."""
        if not self.disagreements_read + self.agreements_read:
            return "No test image was read: nothing is known beyond the labels."
        if self.disagreements_read < self.disagreements:
            return "Not all were read, and those by suspicion, not drawn at random; the others count as labelled."
        if self.agreements_read < self.agreements:
            return (
                "All disagreements were read, as in the paper: an upper bound, as wrong labels that models repeat stay."
            )
        return "Every test image was read."


def accuracy_as_reviewed(root: Root) -> list[AsReviewed]:
    """Every encoder's probe on all labels, and the ensemble; written to `models/metrics/reviewed_accuracy.json`.

    "As labelled" is against the headers' labels, also of images that were reviewed since. An image out of domain has
    no right answer and is left out as reviewed; of two regions either is right.
    Raises RayTruthError if there are no test predictions, or a verdict names a class that is no more and is not mapped.
    """
    regions = root.taxonomy.regions
    predicted = _predictions(root.paths)
    table = load_training_set(root.paths)
    table = table[(table["split"] == "test") & table["given_region"].isin(regions)]
    said = _said(root, regions)
    results = []
    for model, rows in predicted.groupby("model", sort=False):
        known = rows[["image_id", "region"]].merge(table[["image_id", "group", "given_region"]], on="image_id")
        if len(known):
            results.append(_compared(str(model), known.merge(said, on="image_id", how="left"), root.settings))
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
            "No model was tested yet",
            where="data/test_predictions/",
            do="run `raytruth evaluate` and `raytruth ensemble`",
        )
    table = pd.concat([read_table(path) for path in path_list])
    table = table[(table["fraction"] == 1.0) & (table["repeat"] == 0)]
    return table.drop_duplicates(["model", "image_id"])


def _said(root: Root, regions: tuple[str, ...]) -> pd.DataFrame:
    """The latest verdict an image that decides: verdict, the label that was read, the region named."""
    stands = standing(load_verdicts(root.paths))
    decided = stands[stands["verdict"] != UNDECIDED].drop_duplicates("image_id", keep="last")
    decided, _ = migrate(decided, root.settings.training_set.region_map, regions)
    decided = decided[["image_id", "verdict", "given_region", "region"]]
    return decided.rename(columns={"given_region": "read_region", "region": "named_region"})


def _compared(model: str, known: pd.DataFrame, settings: Settings) -> AsReviewed:
    predicted, labelled, verdict = (known[c].to_numpy(object) for c in ("region", "given_region", "verdict"))
    read_label, named = known["read_region"].to_numpy(object), known["named_region"].to_numpy(object)
    patients = known["group"].to_numpy(object).astype(str)
    read, wrong, both, none = (known["verdict"].notna().to_numpy(), *(verdict == v for v in _VERDICTS))
    agrees = predicted == labelled
    right = np.where(read & ~wrong, predicted == read_label, agrees)
    right = np.where(wrong | both, (predicted == named) | (both & right), right)
    resamples, seed = settings.evaluation.bootstrap, settings.seed
    kept = ~none
    return AsReviewed(
        model=model,
        images=len(known),
        as_labelled=patient_bootstrap(agrees.astype(float), patients, resamples, seed),
        as_reviewed=patient_bootstrap(right[kept].astype(float), patients[kept], resamples, seed),
        disagreements=int((~agrees).sum()),
        disagreements_read=int((~agrees & read).sum()),
        label_wrong=int((~agrees & wrong).sum()),
        out_of_domain=int((~agrees & none).sum()),
        two_regions=int((~agrees & both).sum()),
        agreements=int(agrees.sum()),
        agreements_read=int((agrees & read).sum()),
        agreements_wrong=int((agrees & (wrong | none)).sum()),
    )
