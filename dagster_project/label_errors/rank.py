"""From out-of-sample probabilities to a ranked list of suspicious labels, each with its kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.neighbors import NearestNeighbors

from dagster_project.label_errors.out_of_sample import Judged

KINDS = ("wrong_label", "out_of_domain", "missing_label", "near_duplicate", "none")
_MISSING = 1e-3  # a missing label is surely not right; below this they are ordered by their proposals
_UNDECIDED = ("absent", "unmapped", "undecidable")


def rank_labels(
    table: pd.DataFrame, labels: np.ndarray, judged: Judged, regions: tuple[str, ...], out_of_domain_share: float
) -> pd.DataFrame:
    """One row a picture, ranked: rank 1 is the label most likely wrong.

    `score` is the probability, in 0..1, that the given label is right; lower = more likely wrong. It is the judges'
    mean probability of the label (cleanlab's self-confidence; Northcutt et al. 2021, arXiv 1911.00068), lowered for
    the most unusual pictures; next to 0 for a missing label, the surest proposals first; for a label that names a
    region of no class, how unusual the picture is; 1 for a label that a reviewer gave.
    Columns: image_id, given_region, suggested_region, score, rank, kind, confidence (of the suggestion), unusual,
    agreement (share of judges whose first choice is the suggestion).
    """
    mean, unusual = judged.mean, judged.unusual.mean(axis=0)
    reviewed, status = table["reviewed"].to_numpy(bool), table["label_status"].to_numpy(object)
    given = labels >= 0
    outside = status == "outside"
    missing = np.isin(status, _UNDECIDED) & ~given
    out_of_domain = _out_of_domain_probability(unusual, out_of_domain_share)

    score = np.ones(len(table))
    score[given] = get_label_quality_scores(labels[given], mean[given], method="self_confidence")
    score[given] *= 1 - out_of_domain[given]
    score[missing] = _MISSING * (1 - mean[missing].max(axis=1))
    score[outside] = unusual[outside]

    kind = np.full(len(table), "none", dtype=object)
    kind[_conflicting_copies(table, labels)] = "near_duplicate"
    wrong = np.zeros(len(table), dtype=bool)
    # One job: more are forked, and a fork beside torch's and Dagster's threads can wait for ever on a lock of theirs.
    wrong[given] = find_label_issues(labels[given], mean[given], filter_by="both", n_jobs=1)
    kind[wrong] = "wrong_label"
    kind[given & (out_of_domain > 0.5)] = "out_of_domain"
    kind[missing] = "missing_label"
    kind[outside] = "out_of_domain"
    kind[reviewed], score[reviewed] = "none", 1.0

    order = mean.argsort(axis=1)
    first, second = order[:, -1], order[:, -2]
    suggestion = np.where((first == labels) & (kind == "wrong_label"), second, first)
    names = np.array(regions, dtype=object)
    out = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "given_region": table["region"],
            "suggested_region": np.where(kind == "out_of_domain", "", names[suggestion]),
            "score": np.clip(score, 0, 1),
            "kind": kind,
            "confidence": mean[np.arange(len(table)), suggestion].astype(np.float32),
            "unusual": unusual.astype(np.float32),
            "agreement": (judged.probabilities.argmax(axis=2) == suggestion).mean(axis=0).astype(np.float32),
        }
    )
    out = out.sort_values(["score", "image_id"], ignore_index=True)
    out.insert(4, "rank", np.arange(1, len(out) + 1, dtype=np.int32))
    return out


def neighbour_agreement(embeddings: np.ndarray, labels: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Share, in 0..1, of each picture's nearest labelled pictures of other patients that bear its label; NaN if none.

    `embeddings` (N, D), `labels` int (N,) with -1 for none, `groups` (N,).
    """
    known = np.flatnonzero(labels >= 0)
    search = NearestNeighbors(n_neighbors=min(3 * count, len(known)), metric="cosine").fit(embeddings[known])
    near = known[search.kneighbors(embeddings, return_distance=False)]  # (N, 3 count)
    other = groups[near] != groups[:, None]
    counted = other & (np.cumsum(other, axis=1) <= count)
    agree = ((labels[near] == labels[:, None]) & counted).sum(axis=1)
    total = counted.sum(axis=1)
    return np.where((labels >= 0) & (total > 0), agree / np.maximum(total, 1), np.nan).astype(np.float32)


def _out_of_domain_probability(unusual: np.ndarray, share: float) -> np.ndarray:
    """0 up to the 1 - 2 share quantile of unusualness, rising to 1 at the most unusual; so 0.5 at the 1 - share one."""
    rank = unusual.argsort(kind="stable").argsort(kind="stable") / max(len(unusual) - 1, 1)
    return np.clip((rank - (1 - 2 * share)) / max(2 * share, 1e-9), 0, 1)


def _conflicting_copies(table: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Whether a picture has a near-duplicate that bears another label; bool (N,)."""
    labelled = pd.DataFrame({"group": table["near_duplicate_group"].to_numpy(), "label": labels})
    kinds = labelled[labelled["label"] >= 0].groupby("group")["label"].nunique()
    return labelled["group"].map(kinds).fillna(0).to_numpy() > 1
