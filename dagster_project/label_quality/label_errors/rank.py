"""From out-of-fold probabilities to a ranked list of suspicious labels, each with its kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

from dagster_project.label_quality.label_errors.duplicates import conflicting_duplicates, with_duplicates
from dagster_project.label_quality.label_errors.noise import fit_noise
from dagster_project.label_quality.label_errors.out_of_fold import OofPredictions
from dagster_project.label_quality.label_errors.two_regions import is_one_of_two, region_evidence, visible_out_of_fold
from dagster_project.learning.evaluation.neighbours import Neighbours, out_of_domain_probability
from dagster_project.learning.evaluation.visible_regions import visible_as_text

_MISSING = 1e-3  # a missing label is certainly not right; within this range, missing labels are ordered by proposal
_NO_REGION = ("missing", "unmapped", "ambiguous")
# Weight of being out of domain in the order of the labels. Chosen on planted sites of 400 to 2,500 real radiographs,
# with 1 to 10 % wrong labels: with 1, images out of domain come late; with 2, right labels of rare images too early.
_OUT_OF_DOMAIN_WEIGHT = 1.5
WITHOUT_CLASS = ("out_of_scope", "small_class")


def rank_labels(
    table: pd.DataFrame, labels: np.ndarray, oof: OofPredictions, regions: tuple[str, ...], neighbours: Neighbours
) -> pd.DataFrame:
    """One row for each image, ranked: rank 1 is the label most likely wrong.

    `error_probability`, in 0..1, is the probability that the given label is wrong; higher = more likely wrong. Labels
    that name a class are ordered by the out-of-fold models' doubt (1 - self-confidence) and the probability that the
    image is out of domain (neighbours.py). The probabilities in this order come from the label noise of this site
    (noise.py), which tells how many errors to expect: it orders small sites badly, but counts well. Near-duplicates
    with another label (duplicates.py) raise them. A missing label counts as wrong; missing labels with the most
    confident proposals come first. A label that names a region outside the classes is right if the image is out of
    domain. A label that a reviewer gave is right.
    Columns: image_id, given_region, proposed_region, rank, kind, error_probability, visible_regions (as text,
    from two_regions.py), confidence (of the proposal, 0..1), neighbourhood_noise (share of the other images with fewer
    wrong labels around them, 0..1), model_agreement (share of the out-of-fold models whose first choice is the
    proposal, 0..1), neighbour_agreement (share of the neighbours with the same label, 0..1, NaN without a label).
    `neighbours` must come from the images whose label names a region, of a class or not.
    """
    mean = oof.mean
    reviewed, status = table["reviewed"].to_numpy(bool), table["label_status"].to_numpy(object)
    given = labels >= 0
    outside = (status == "out_of_scope") & ~given
    missing = np.isin(status, _NO_REGION) & ~given
    known = np.where(reviewed & given, 0.0, np.where(np.isin(status, WITHOUT_CLASS) & ~given, 1.0, np.nan))
    fold = table["fold"].to_numpy(int)
    around = neighbourhood_errors(fold, labels, oof, known, neighbours)
    ood_probability = out_of_domain_probability(around)
    alone = _without_duplicates(fold, labels, mean, ood_probability, reviewed)
    conflicts = conflicting_duplicates(table["near_duplicate_group"].to_numpy(), labels)
    wrong = with_duplicates(alone, labels, conflicts)
    wrong[missing] = 1 - _MISSING * (1 - mean[missing].max(axis=1))
    wrong[outside] = 1 - ood_probability[outside]
    wrong[reviewed] = 0.0

    kind = np.full(len(table), "none", dtype=object)
    evidence = region_evidence(labels, mean, neighbours)
    visible = visible_out_of_fold(fold, labels, evidence, ood_probability)
    kind[is_one_of_two(labels, evidence, visible)] = "two_regions"
    for same in conflicts:
        kind[same] = "near_duplicate"
    suspected = np.zeros(len(table), dtype=bool)
    # One job: several would be forked, and a fork beside the threads of torch and Dagster can deadlock.
    suspected[given] = find_label_issues(labels[given], mean[given], filter_by="both", n_jobs=1)
    kind[suspected | (given & (alone > 0.5))] = "wrong_label"
    kind[given & (ood_probability > 0.5)] = "out_of_domain"
    kind[missing] = "missing_label"
    kind[outside] = "out_of_domain"
    kind[reviewed] = "none"

    # Of two visible regions the one that the label does not name is proposed.
    order = np.where((kind == "two_regions")[:, None], visible, mean).argsort(axis=1)
    first, second = order[:, -1], order[:, -2]
    proposal = np.where((first == labels) & np.isin(kind, ("wrong_label", "two_regions")), second, first)
    names = np.array(regions, dtype=object)
    out = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "given_region": table["region"],
            "proposed_region": np.where(kind == "out_of_domain", "", names[proposal]),
            "kind": kind,
            "error_probability": np.clip(wrong, 0, 1),
            "visible_regions": visible_as_text(visible, regions),
            "confidence": mean[np.arange(len(table)), proposal].astype(np.float32),
            "neighbourhood_noise": (rankdata(around, "min") - 1).astype(np.float32) / max(len(table) - 1, 1),
            "model_agreement": (oof.probabilities.argmax(axis=2) == proposal).mean(axis=0).astype(np.float32),
            "neighbour_agreement": neighbours.agreement(labels),
        }
    )
    # By the probability of being right: labels that are right up to rounding are ties, which image_id breaks.
    out = out.iloc[np.lexsort((out["image_id"].to_numpy(str), 1 - np.clip(wrong, 0, 1)))].reset_index(drop=True)
    out.insert(3, "rank", np.arange(1, len(out) + 1, dtype=np.int32))
    return out


def in_order_of(suspicion: np.ndarray, known: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Probabilities (n,) in the order of `suspicion` (n,), from the `probability` (N,) of images of `known` suspicion.

    Suspicion is in 0..1. By isotonic regression, which keeps the sum; its steps are joined by lines through their
    centres, so that other suspicions get other probabilities.
    """
    order = np.argsort(known, kind="stable")
    steps = np.split(order, isotonic_regression(probability[order]).blocks[1:-1]) if len(order) else []
    centres = [0.0, *(float(known[step].mean()) for step in steps), 1.0]
    heights = [0.0, *(float(probability[step].mean()) for step in steps), 1.0]
    return np.interp(suspicion, centres, heights)


def _without_duplicates(
    fold: np.ndarray, labels: np.ndarray, mean: np.ndarray, ood_probability: np.ndarray, reviewed: np.ndarray
) -> np.ndarray:
    """The probability that each label is wrong, (N,); 0 without a label or if reviewed.

    What a fold's probabilities are taken from, the label noise and its order, comes from the labels of the other folds.
    """
    wrong = np.zeros(len(labels))
    suspicion = 1 - mean[np.arange(len(labels)), labels] * (1 - ood_probability) ** _OUT_OF_DOMAIN_WEIGHT
    for k in np.unique(fold):
        given = (labels >= 0) & ~reviewed
        others, mine = given & (fold != k), given & (fold == k)
        noise = fit_noise(mean[others], labels[others], 1 - ood_probability[others])
        expected = 1 - (1 - noise.error_probability(mean[others], labels[others])) * (1 - ood_probability[others])
        wrong[mine] = in_order_of(suspicion[mine], suspicion[others], expected)
    return wrong


def neighbourhood_errors(
    fold: np.ndarray, labels: np.ndarray, oof: OofPredictions, known: np.ndarray, neighbours: Neighbours
) -> np.ndarray:
    """Share of wrong labels around each image, (N,) in 0..1, by models that saw neither its label nor its patient's.

    Half of it is the share among the image's neighbours, half the share among their neighbours: an image at the edge of
    a class has some neighbours of another class, an image out of domain lies among similar images.
    `known` (N,) is 0 where a reviewer gave the label, 1 where the label names a region outside the classes (no class
    fits the image, whether that label is right or wrong), else NaN.
    """
    found = np.zeros(len(labels))
    given = labels >= 0
    for k in range(len(oof.around)):
        doubt = np.zeros(len(labels))
        doubt[given] = 1 - oof.around[k, given, labels[given]]
        doubt = np.where(np.isnan(known), doubt, known)
        found[fold == k] = ((neighbours.mean(doubt) + neighbours.mean_beyond(doubt)) / 2)[fold == k]
    return np.nan_to_num(found)
