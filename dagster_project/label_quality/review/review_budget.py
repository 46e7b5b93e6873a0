"""The review budget: errors found so far, errors expected further down the ranked list, and the images to review.

Expected numbers are sums of the error probabilities of the list, and only as good as their calibration: `check`
compares them with the errors found. Intervals assume that all errors of a patient occur together, the widest case.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_json, write_text
from dagster_project.core.ledger import current_verdicts, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.plotting import drawing, evenly
from dagster_project.core.verdict_kinds import DECIDING, ERRORS
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.review.acceptance_sampling import Estimate, estimates, verdicts_on_list
from dagster_project.label_quality.review.stopping_rule import STOP_AFTER, run_without_error
from dagster_project.learning.evaluation.metrics import Interval

log = logging.getLogger("raytruth")
_SHARE = 0.9  # of all errors, for which the number of images is given
_BLOCK, _BLOCKS = 100, 10
_POINTS = 80
_Z = 1.96  # 95 %


@dataclass(frozen=True)
class Check:
    """Of `reviewed` images whose error probability is from before the review, `found` were wrong; `expected` were."""

    reviewed: int
    found: int
    expected: Interval


@dataclass(frozen=True)
class ReviewBudget:
    """`reviewed` images were decided, `found` of them wrong; `check` is None if the list was made after all reviews.

    `expected` is the expected number of errors among the `unreviewed` images, `per_hundred` the same for each of the
    next hundreds, and `images_to_90` the number of further images down the list until 90 % of all errors are found.
    `run_without_error` images were reviewed since the last error; at `stop_after` the review can stop. All of these
    are about the ranked list; `samples` are about the images outside the worklist.
    """

    reviewed: int
    found: int
    check: Check | None
    unreviewed: int
    expected: Interval
    per_hundred: list[float]
    images_to_90: int
    run_without_error: int
    stop_after: int
    samples: list[Estimate]

    @property
    def enough(self) -> bool:
        """Whether the run without an error is long enough to stop.

        If 5 % of the labels were wrong, a run of this length would have a probability of 5 %: the stopping rule of
        SelfClean (Groeger et al. 2024, NeurIPS), for reviewers who work down the list.
        """
        return self.run_without_error >= self.stop_after


def estimate_review_budget(paths: Paths) -> ReviewBudget:
    """Estimate the budget from the ranked list and the ledger; write metrics, a table and a figure.

    Images without a label are left out. Raises RayTruthError if there is no ranked list.
    """
    table = _listed(paths)
    verdicts = load_verdicts(paths)
    listed = verdicts_on_list(verdicts)
    wrong = _decided(listed)
    unreviewed = table[~table["image_id"].isin(_decided(verdicts).index)]
    # Images reviewed before the list was made have the reviewer's verdict in it, and no probability any more.
    known = table[table["image_id"].isin(wrong.index) & ~table["reviewed"]].set_index("image_id")
    curve = expected_yield(unreviewed["probability"].to_numpy(float), unreviewed["patient_group"].to_numpy(object))
    found, total = int(wrong.sum()), int(wrong.sum()) + float(unreviewed["probability"].sum())
    running = found + unreviewed["probability"].cumsum().to_numpy(float)
    blocks = [float(unreviewed["probability"].iloc[i : i + _BLOCK].sum()) for i in range(0, _BLOCK * _BLOCKS, _BLOCK)]
    result = ReviewBudget(
        reviewed=len(wrong),
        found=found,
        check=Check(len(known), int(wrong[known.index].sum()), _sum_of(known)) if len(known) else None,
        unreviewed=len(unreviewed),
        expected=_sum_of(unreviewed),
        per_hundred=[round(float(b), 2) for b in blocks if b > 0],
        images_to_90=0 if found >= _SHARE * total else int(np.searchsorted(running, _SHARE * total - 1e-9)) + 1,
        run_without_error=run_without_error(listed),
        stop_after=STOP_AFTER,
        samples=estimates(verdicts),
    )
    write_json(paths.metrics("review_budget"), {**asdict(result), "enough": result.enough})
    stem = paths.plot("review_budget", "yield")
    write_text(stem.with_suffix(".csv"), curve.to_csv(index=False, float_format="%.4f"))
    of_reviewed = known["probability"].reindex(wrong.index).to_numpy(float)
    _draw(stem.with_suffix(".png"), curve, wrong.to_numpy(bool), of_reviewed, result)
    log.info("review budget: %d reviewed, %d wrong; %.1f more expected", result.reviewed, found, result.expected.value)
    return result


def expected_yield(probability: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """Errors expected among the first images of a list: columns reviewed, expected, low, high (95 %).

    `probability` (N,) in 0..1 in the order of the list, `groups` (N,) the patients.
    """
    rows = []
    for count in sorted({0, *(evenly(len(probability), _POINTS) + 1)} if len(probability) else {0}):
        interval = _total(probability[:count], groups[:count])
        rows.append((int(count), interval.value, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["reviewed", "expected", "low", "high"])


def _listed(paths: Paths) -> pd.DataFrame:
    ranked = load_label_errors(paths)
    ranked = ranked.assign(probability=ranked["error_probability"])
    ranked = ranked[ranked["kind"] != "missing_label"].sort_values("rank")
    return ranked.merge(load_training_set(paths)[["image_id", "patient_group", "reviewed"]], on="image_id", how="left")


def _decided(verdicts: pd.DataFrame) -> pd.Series:
    """Whether the label of each image was wrong by the latest deciding verdict, in the order of first decisions."""
    current = current_verdicts(verdicts)
    decided = current[current["verdict"].isin(DECIDING)]
    latest = decided.drop_duplicates("image_id", keep="last").set_index("image_id")["verdict"].isin(ERRORS)
    return latest.reindex(pd.unique(decided["image_id"])).astype(bool)


def _sum_of(table: pd.DataFrame) -> Interval:
    return _total(table["probability"].to_numpy(float), table["patient_group"].to_numpy(object))


def _total(probability: np.ndarray, groups: np.ndarray) -> Interval:
    """The expected sum of errors, with the variance for errors of a patient that all have one cause (comonotone)."""
    order = np.argsort(-probability, kind="stable")
    p, group = probability[order], pd.factorize(groups[order])[0]
    rank = pd.Series(group).groupby(group).cumcount().to_numpy() + 1
    least = np.bincount(group, (2 * rank - 1) * p)  # the sum of min(p_i, p_j) over a patient's pairs
    spread = _Z * max(float((least - np.square(np.bincount(group, p))).sum()), 0.0) ** 0.5
    value = float(p.sum())
    return Interval(value, max(value - spread, 0.0), min(value + spread, float(len(p))))


def _draw(path: Path, curve: pd.DataFrame, wrong: np.ndarray, of_reviewed: np.ndarray, result: ReviewBudget) -> None:
    with drawing(path, width=8, height=5) as axes:
        at = result.reviewed + curve["reviewed"]
        low, value, high = (result.found + curve[name] for name in ("low", "expected", "high"))
        axes.fill_between(at, low, high, color="tab:blue", alpha=0.2, label="95 % interval")
        axes.plot(at, value, color="tab:blue", label="expected")
        if len(wrong):
            axes.plot(np.arange(len(wrong) + 1), np.r_[0, np.cumsum(wrong)], color="black", label="found")
        if len(wrong) and not np.isnan(of_reviewed).any():
            expected = np.r_[0, np.cumsum(of_reviewed)]
            axes.plot(
                np.arange(len(wrong) + 1), expected, color="tab:blue", ls=":", label="expected in reviewed images"
            )
        axes.axvline(result.reviewed + result.images_to_90, color="tab:red", ls="--", lw=1, label="90 % of the errors")
        axes.set(xlabel="images reviewed, down the list", ylabel="wrong labels", title="Errors found and expected")
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend(loc="lower right", fontsize=8)
        axes.grid(alpha=0.3)
