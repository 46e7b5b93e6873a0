"""`review_worklist`, what comes back from it (`verdicts`, `corrected_labels`), and what that is worth."""

from dataclasses import asdict

import dagster as dg
import pandas as pd

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.dagster_helpers import REVIEWERS, as_counts, as_image, as_table
from dagster_project.core.ledger import load_verdicts, standing, update_corrected_labels
from dagster_project.intake.resources import RootResource


@dg.observable_source_asset(group_name="review", description="The append-only ledger of what reviewers said.")
def verdicts(root: RootResource) -> dg.ObserveResult:
    """Its version is the ledger's content."""
    table = load_verdicts(root.paths)
    return dg.ObserveResult(
        data_version=dg.DataVersion(content_hash(root.paths.verdicts) if len(table) else "empty"),
        metadata={
            "verdicts": len(table),
            "by kind, as they stand": as_counts(
                standing(table)["verdict"].value_counts().to_dict(), "verdict", "verdicts"
            ),
            "latest": as_table(table.tail(20)),
        },
    )


@dg.asset(deps=["verdicts"], group_name="review", owners=[REVIEWERS], kinds={"parquet"})
def corrected_labels(root: RootResource) -> dg.MaterializeResult:
    """The latest verdict an image; upstream of the training set, so that reviewed labels are learned from."""
    paths = root.paths
    table = update_corrected_labels(paths)
    versions = root.commit("corrected_labels")
    return dg.MaterializeResult(
        data_version=versions.of(paths.corrected_labels),
        metadata={
            "dagster/row_count": len(table),
            "by verdict": as_counts(table["verdict"].value_counts().to_dict(), "verdict", "images"),
        },
    )


@dg.asset(
    deps=["label_errors", "training_set", "linear_evaluation"],
    group_name="review",
    owners=[REVIEWERS],
    kinds={"json"},
)
def review_worklist(root: RootResource) -> dg.MaterializeResult:
    """One card a suspicious label, with all that `raytruth review` shows: image, labels, provenance, neighbours."""
    from dagster_project.label_quality.review.worklist import build_worklist  # torch takes seconds to import

    paths = root.paths
    summary = build_worklist(root.open())
    versions = root.commit("review_worklist")
    return dg.MaterializeResult(
        data_version=versions.of(paths.worklist),
        metadata={
            "cards": summary.cards,
            "by kind": as_counts(summary.kinds, "kind", "cards"),
        },
    )


@dg.asset(
    deps=["label_errors", "training_set", "verdicts"],
    group_name="review",
    owners=[REVIEWERS],
    kinds={"matplotlib"},
)
def review_budget(root: RootResource) -> dg.MaterializeResult:
    """Errors expected down the ranked list and found so far; what 90 % of them cost; whether it is time to stop."""
    from dagster_project.label_quality.review.review_budget import budget  # torch takes seconds to import

    paths = root.paths
    result = budget(paths)
    versions = root.commit("review_budget")
    blocks = {f"{100 * i + 1} to {100 * (i + 1)}": n for i, n in enumerate(result.per_hundred)}
    return dg.MaterializeResult(
        data_version=versions.of(paths.plots_dir / "review_budget"),
        metadata={
            "images read": result.read,
            "wrong among them": result.found,
            "wrong among the unread, expected": round(result.to_come.value, 1),
            "low (95 %)": round(result.to_come.low, 1),
            "high (95 %)": round(result.to_come.high, 1),
            "to be read for 90 % of all errors": result.images_to_90,
            "read since the last error": result.in_a_row,
            "enough read": result.enough,
            "random samples of what the list left out": as_table(pd.DataFrame([asdict(s) for s in result.samples])),
            "expected errors a hundred unread images": as_counts(blocks, "unread images", "wrong"),
            "yield": as_image(paths.plot("review_budget", "yield.png")),
        },
    )


@dg.asset(
    deps=["training_set", "ensemble", "linear_evaluation", "verdicts"],
    group_name="review",
    owners=[REVIEWERS],
    kinds={"numpy"},
)
def reviewed_accuracy(root: RootResource) -> dg.MaterializeResult:
    """Accuracy on the test images as labelled and as reviewed, side by side, with what of them was read."""
    from dagster_project.label_quality.review.reviewed_accuracy import (
        accuracy_as_reviewed,  # torch takes seconds to import
    )

    paths = root.paths
    results = accuracy_as_reviewed(root.open())
    versions = root.commit("reviewed_accuracy")
    rows = [
        {"model": r.model, "labels": labels, "accuracy": i.value, "low": i.low, "high": i.high}
        for r in results
        for labels, i in (("as labelled", r.as_labelled), ("as reviewed", r.as_reviewed))
    ]
    counts = (
        *("disagreements", "disagreements_read", "label_wrong", "out_of_domain", "two_regions"),
        *("agreements", "agreements_read", "agreements_wrong"),
    )
    return dg.MaterializeResult(
        data_version=versions.of(paths.metrics("reviewed_accuracy")),
        metadata={
            "accuracy": as_table(pd.DataFrame(rows)),
            "what was read": as_table(pd.DataFrame([{n: getattr(r, n) for n in ("model", *counts)} for r in results])),
            "limits": dg.MetadataValue.md("\n".join(f"- {r.model}: {r.limit}" for r in results)),
        },
    )
