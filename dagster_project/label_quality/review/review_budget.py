"""What reading the ranked list brings: errors found so far, errors expected further down, and what they cost.

Expected numbers are sums of the list's probabilities of error, so they are as good as these are calibrated: `check`
compares them with what was found. Intervals take all errors of a patient to come together, as wide as they can be.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import write_json, write_text
from dagster_project.core.ledger import load_verdicts, standing
from dagster_project.core.paths import Paths
from dagster_project.core.plotting import drawing, evenly
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.label_errors.find import load_label_errors
from dagster_project.label_quality.review.acceptance_sampling import Estimate, estimates, of_list
from dagster_project.label_quality.review.reader_assignment import ERRORS, UNDECIDED
from dagster_project.label_quality.review.stopping_rule import STOP_AFTER, run_without_error
from dagster_project.learning.evaluation.metrics import Interval

log = logging.getLogger("raytruth")
_SHARE = 0.9  # of the errors, whose cost is said
_BLOCK, _BLOCKS = 100, 10
_POINTS = 80
_Z = 1.96  # 95 %


@dataclass(frozen=True)
class Check:
    """Of `read` images that the list still judges, `found` were wrong, and `expected` should have been."""

    read: int
    found: int
    expected: Interval


@dataclass(frozen=True)
class Budget:
    """`read` images were decided, `found` of them wrong; `check` is None where the list was made after all of that.

    `to_come` is the number of errors expected among the `unread`, `per_hundred` that in each of the next hundreds, and
    `images_to_90` how many more must be read, down the list, to have found 90 % of all. `in_a_row` images were read
    since the last error: at `stop_after` there is an end to it. All of this is about the ranked list; `samples` are of
    what it leaves out.
    """

    read: int
    found: int
    check: Check | None
    unread: int
    to_come: Interval
    per_hundred: list[float]
    images_to_90: int
    in_a_row: int
    stop_after: int
    samples: list[Estimate]

    @property
    def enough(self) -> bool:
        """Whether the run without an error is long enough: were 5 % still wrong, so long a one had a chance of 5 %.

        The stop rule of SelfClean (Groeger et al. 2024, NeurIPS), for who reads down the list.
        """
        return self.in_a_row >= self.stop_after


def budget(paths: Paths) -> Budget:
    """Work it out from the ranked list and the ledger; write it as metrics, a table and a figure.

    Images without a label are left out: there is nothing to be wrong. Raises RayTruthError if there is no list.
    """
    table = _listed(paths)
    verdicts = load_verdicts(paths)
    listed = of_list(verdicts)
    wrong = _decided(listed)
    unread = table[~table["image_id"].isin(_decided(verdicts).index)]
    # What was read before the list was made has no probability in it any more, only the reviewer's word.
    known = table[table["image_id"].isin(wrong.index) & ~table["reviewed"]].set_index("image_id")
    curve = expected_yield(unread["probability"].to_numpy(float), unread["group"].to_numpy(object))
    found, total = int(wrong.sum()), int(wrong.sum()) + float(unread["probability"].sum())
    running = found + unread["probability"].cumsum().to_numpy(float)
    blocks = [float(unread["probability"].iloc[i : i + _BLOCK].sum()) for i in range(0, _BLOCK * _BLOCKS, _BLOCK)]
    result = Budget(
        read=len(wrong),
        found=found,
        check=Check(len(known), int(wrong[known.index].sum()), _sum_of(known)) if len(known) else None,
        unread=len(unread),
        to_come=_sum_of(unread),
        per_hundred=[round(float(b), 2) for b in blocks if b > 0],
        images_to_90=0 if found >= _SHARE * total else int(np.searchsorted(running, _SHARE * total - 1e-9)) + 1,
        in_a_row=run_without_error(listed),
        stop_after=STOP_AFTER,
        samples=estimates(verdicts),
    )
    write_json(paths.metrics("review_budget"), {**asdict(result), "enough": result.enough})
    stem = paths.plot("review_budget", "yield")
    write_text(stem.with_suffix(".csv"), curve.to_csv(index=False, float_format="%.4f"))
    of_read = known["probability"].reindex(wrong.index).to_numpy(float)
    _draw(stem.with_suffix(".png"), curve, wrong.to_numpy(bool), of_read, result)
    log.info("budget: %d read, %d wrong; %.1f more expected", result.read, found, result.to_come.value)
    return result


def expected_yield(probability: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """Errors expected among the first images of a list: columns looked_at, expected, low, high (95 %).

    `probability` (N,) in 0..1 in the list's order, `groups` (N,) the patients.
    """
    rows = []
    for count in sorted({0, *(evenly(len(probability), _POINTS) + 1)} if len(probability) else {0}):
        interval = _total(probability[:count], groups[:count])
        rows.append((int(count), interval.value, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["looked_at", "expected", "low", "high"])


def _listed(paths: Paths) -> pd.DataFrame:
    ranked = load_label_errors(paths)
    ranked = ranked.assign(probability=ranked["error_probability"])
    ranked = ranked[ranked["kind"] != "missing_label"].sort_values("rank")
    return ranked.merge(load_training_set(paths)[["image_id", "group", "reviewed"]], on="image_id", how="left")


def _decided(verdicts: pd.DataFrame) -> pd.Series:
    """Whether each image's label was wrong by the latest word on it, in the order of their first decisions."""
    stands = standing(verdicts)
    decided = stands[stands["verdict"] != UNDECIDED]
    latest = decided.drop_duplicates("image_id", keep="last").set_index("image_id")["verdict"].isin(ERRORS)
    return latest.reindex(pd.unique(decided["image_id"])).astype(bool)


def _sum_of(table: pd.DataFrame) -> Interval:
    return _total(table["probability"].to_numpy(float), table["group"].to_numpy(object))


def _total(probability: np.ndarray, groups: np.ndarray) -> Interval:
    """The expected sum of errors. Its variance is what it is if all errors of a patient have one cause (comonotone)."""
    order = np.argsort(-probability, kind="stable")
    p, group = probability[order], pd.factorize(groups[order])[0]
    rank = pd.Series(group).groupby(group).cumcount().to_numpy() + 1
    least = np.bincount(group, (2 * rank - 1) * p)  # the sum of min(p_i, p_j) over a patient's pairs
    spread = _Z * max(float((least - np.square(np.bincount(group, p))).sum()), 0.0) ** 0.5
    value = float(p.sum())
    return Interval(value, max(value - spread, 0.0), min(value + spread, float(len(p))))


def _draw(path: Path, curve: pd.DataFrame, wrong: np.ndarray, of_read: np.ndarray, result: Budget) -> None:
    with drawing(path, width=8, height=5) as axes:
        at = result.read + curve["looked_at"]
        low, value, high = (result.found + curve[name] for name in ("low", "expected", "high"))
        axes.fill_between(at, low, high, color="tab:blue", alpha=0.2, label="95 % interval")
        axes.plot(at, value, color="tab:blue", label="expected")
        if len(wrong):
            axes.plot(np.arange(len(wrong) + 1), np.r_[0, np.cumsum(wrong)], color="black", label="found")
        if len(wrong) and not np.isnan(of_read).any():
            expected = np.r_[0, np.cumsum(of_read)]
            axes.plot(np.arange(len(wrong) + 1), expected, color="tab:blue", ls=":", label="expected of those read")
        axes.axvline(result.read + result.images_to_90, color="tab:red", ls="--", lw=1, label="90 % of the errors")
        axes.set(xlabel="images read, down the list", ylabel="wrong labels", title="What reading on brings")
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend(loc="lower right", fontsize=8)
        axes.grid(alpha=0.3)
