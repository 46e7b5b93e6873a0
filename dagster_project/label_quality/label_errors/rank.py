"""From out-of-sample probabilities to a ranked list of suspicious labels, each with its kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from scipy.stats import median_abs_deviation, rankdata

from dagster_project.label_quality.label_errors.duplicates import conflicting_copies, knowing_copies
from dagster_project.label_quality.label_errors.neighbours import Neighbours, no_class_probability
from dagster_project.label_quality.label_errors.noise import fit_noise
from dagster_project.label_quality.label_errors.out_of_fold import Judged

KINDS = ("wrong_label", "out_of_domain", "missing_label", "near_duplicate", "two_regions", "none")
_MISSING = 1e-3  # a missing label is surely not right; below this they are ordered by their proposals
_UNDECIDED = ("absent", "unmapped", "undecidable")
OF_NO_CLASS = ("outside", "small_class")
_BOTH = 0.15  # least probability, and least share of the neighbours' labels, of each of two regions
_OUTLIER = 3.0  # standard deviations above the site's median


def rank_labels(
    table: pd.DataFrame, labels: np.ndarray, judged: Judged, regions: tuple[str, ...], neighbours: Neighbours
) -> pd.DataFrame:
    """One row an image, ranked: rank 1 is the label most likely wrong.

    `error_probability`, in 0..1, is how likely the given label is wrong; higher = more likely wrong. `score` is 1 minus
    that: how likely it is right; lower = more likely wrong. For a label that names a class both come from how labels
    go wrong at this site (`noise`), how likely the image is of no class (`neighbours`), and whether a copy bears
    another label (`copies`); a missing label is wrong, those with the surest proposals first; a label that names a
    region of no class is right as far as the image is of none; a label that a reviewer gave is right.
    Columns: image_id, given_region, suggested_region, score, rank, kind, error_probability, confidence (of the
    suggestion, 0..1), unusual (share of the other images with fewer wrong labels around them, 0..1), agreement (share
    of judges whose first choice is the suggestion), neighbour_agreement (share of the neighbours that bear the label,
    0..1, NaN without a label).
    `neighbours` are to be found among the images whose label names a region, be it of a class or of none.
    """
    mean = judged.mean
    reviewed, status = table["reviewed"].to_numpy(bool), table["label_status"].to_numpy(object)
    given = labels >= 0
    outside = (status == "outside") & ~given
    missing = np.isin(status, _UNDECIDED) & ~given
    known = np.where(reviewed & given, 0.0, np.where(np.isin(status, OF_NO_CLASS) & ~given, 1.0, np.nan))
    around = errors_around(table["fold"].to_numpy(int), labels, judged, known, neighbours)
    no_class = no_class_probability(around)
    alone, true = _judged_alone(table["fold"].to_numpy(int), labels, mean, (1 - no_class) * ~reviewed)
    alone[given] = 1 - (1 - alone[given]) * (1 - no_class[given])
    alone[reviewed] = 0.0
    conflicts = conflicting_copies(table["near_duplicate_group"].to_numpy(), labels)
    wrong = knowing_copies(alone, labels, conflicts)
    wrong[missing] = 1 - _MISSING * (1 - mean[missing].max(axis=1))
    wrong[outside] = 1 - no_class[outside]
    wrong[reviewed] = 0.0

    kind = np.full(len(table), "none", dtype=object)
    kind[_two_regions(labels, true, neighbours)] = "two_regions"
    for copies in conflicts:
        kind[copies] = "near_duplicate"
    suspected = np.zeros(len(table), dtype=bool)
    # One job: more are forked, and a fork beside torch's and Dagster's threads can wait for ever on a lock of theirs.
    suspected[given] = find_label_issues(labels[given], mean[given], filter_by="both", n_jobs=1)
    kind[suspected | (given & (alone > 0.5))] = "wrong_label"
    kind[given & (no_class > 0.5)] = "out_of_domain"
    kind[missing] = "missing_label"
    kind[outside] = "out_of_domain"
    kind[reviewed] = "none"

    order = mean.argsort(axis=1)
    first, second = order[:, -1], order[:, -2]
    suggestion = np.where((first == labels) & np.isin(kind, ("wrong_label", "two_regions")), second, first)
    names = np.array(regions, dtype=object)
    out = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "given_region": table["region"],
            "suggested_region": np.where(kind == "out_of_domain", "", names[suggestion]),
            "score": np.clip(1 - wrong, 0, 1),
            "kind": kind,
            "error_probability": np.clip(wrong, 0, 1),
            "confidence": mean[np.arange(len(table)), suggestion].astype(np.float32),
            "unusual": (rankdata(around, "min") - 1).astype(np.float32) / max(len(table) - 1, 1),
            "agreement": (judged.probabilities.argmax(axis=2) == suggestion).mean(axis=0).astype(np.float32),
            "neighbour_agreement": neighbours.agreement(labels),
        }
    )
    out = out.sort_values(["score", "image_id"], ignore_index=True)
    out.insert(4, "rank", np.arange(1, len(out) + 1, dtype=np.int32))
    return out


def _judged_alone(
    fold: np.ndarray, labels: np.ndarray, mean: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How likely each label is wrong, (N,), 0 without one, and the true class, (N, K), by the errors of other folds."""
    wrong, true, given = np.zeros(len(labels)), np.zeros_like(mean), labels >= 0
    for k in np.unique(fold):
        others, mine = given & (fold != k), given & (fold == k)
        noise = fit_noise(mean[others], labels[others], weights[others])
        wrong[mine] = noise.error_probability(mean[mine], labels[mine])
        true[fold == k] = noise.true_class(mean[fold == k])
    return wrong, true


def errors_around(
    fold: np.ndarray, labels: np.ndarray, judged: Judged, known: np.ndarray, neighbours: Neighbours
) -> np.ndarray:
    """Share of wrong labels around each image, (N,) in 0..1, by judges that know neither its label nor its patient's.

    Half of it is the share among its neighbours, half that among theirs: an image on the edge of a class has some of
    another, one of no class lies among its like.
    `known` (N,) is 0 where a reviewer gave the label, 1 where it names a region that is no class (right or wrong, there
    is no class for what stands there), else NaN.
    """
    found = np.zeros(len(labels))
    given = labels >= 0
    for k in range(len(judged.around)):
        doubt = np.zeros(len(labels))
        doubt[given] = 1 - judged.around[k, given, labels[given]]
        doubt = np.where(np.isnan(known), doubt, known)
        found[fold == k] = ((neighbours.mean(doubt) + neighbours.mean_beyond(doubt)) / 2)[fold == k]
    return np.nan_to_num(found)


def _two_regions(labels: np.ndarray, true: np.ndarray, neighbours: Neighbours) -> np.ndarray:
    """Whether the label is one of two classes that are both likely and both borne by the neighbours; bool (N,).

    Both must stand out: judges that learned little find a second class in every image.
    """
    given = labels >= 0
    both = np.minimum(true, neighbours.bear(labels, true.shape[1]))  # (N, K)
    second = np.sort(both[given], axis=1)[:, -2]
    usual = np.median(second) + _OUTLIER * median_abs_deviation(second, scale="normal")
    both = both >= max(_BOTH, usual)
    return given & (both.sum(axis=1) == 2) & both[np.arange(len(labels)), np.maximum(labels, 0)]
