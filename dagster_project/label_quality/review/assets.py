"""`review_worklist`, the answers to it (`verdicts`, `corrected_labels`), and their evaluation."""

from dataclasses import asdict

import dagster as dg
import pandas as pd

from dagster_project.core.atomic_io import content_hash
from dagster_project.core.dagster_helpers import REVIEWERS, as_counts, as_image, as_table, column_schema
from dagster_project.core.ledger import current_verdicts, load_verdicts, update_corrected_labels
from dagster_project.core.ledger_tables import CORRECTED_LABELS
from dagster_project.intake.resources import RootResource


@dg.observable_source_asset(group_name="review", description="The append-only ledger of the reviewers' verdicts.")
def verdicts(root: RootResource) -> dg.ObserveResult:
    """The data version is the hash of the ledger."""
    table = load_verdicts(root.paths)
    return dg.ObserveResult(
        data_version=dg.DataVersion(content_hash(root.paths.verdicts) if len(table) else "empty"),
        metadata={
            "verdicts": len(table),
            "current verdicts by kind": as_counts(
                current_verdicts(table)["verdict"].value_counts().to_dict(), "verdict", "verdicts"
            ),
            "latest": as_table(table.tail(20)),
        },
    )


@dg.asset(
    deps=["verdicts"],
    metadata=column_schema(CORRECTED_LABELS),
    group_name="review",
    owners=[REVIEWERS],
    kinds={"parquet"},
)
def corrected_labels(root: RootResource) -> dg.MaterializeResult:
    """The latest verdict on each image. The training set uses these labels instead of the given ones."""
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
    """One card for each suspicious label, as `raytruth review` shows it: image, labels, provenance, neighbours."""
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
    """Errors found so far and expected down the ranked list, images to review for 90 % of them, and when to stop."""
    from dagster_project.label_quality.review.review_budget import estimate_review_budget  # torch is slow to import

    paths = root.paths
    result = estimate_review_budget(paths)
    versions = root.commit("review_budget")
    blocks = {f"{100 * i + 1} to {100 * (i + 1)}": n for i, n in enumerate(result.per_hundred)}
    return dg.MaterializeResult(
        data_version=versions.of(paths.plots_dir / "review_budget"),
        metadata={
            "reviewed images": result.reviewed,
            "wrong labels found": result.found,
            "expected wrong labels in unreviewed images": round(result.expected.value, 1),
            "low (95 %)": round(result.expected.low, 1),
            "high (95 %)": round(result.expected.high, 1),
            "images to review for 90 % of all errors": result.images_to_90,
            "images since the last error": result.run_without_error,
            "review can stop": result.enough,
            "random samples outside the worklist": as_table(pd.DataFrame([asdict(s) for s in result.samples])),
            "expected errors per hundred unreviewed images": as_counts(blocks, "unreviewed images", "wrong"),
            "errors found and expected": as_image(paths.plot("review_budget", "yield.png")),
        },
    )


@dg.asset(
    deps=["training_set", "ensemble", "linear_evaluation", "verdicts"],
    group_name="review",
    owners=[REVIEWERS],
    kinds={"numpy"},
)
def reviewed_accuracy(root: RootResource) -> dg.MaterializeResult:
    """Accuracy on the test images as labelled and as reviewed, and how many of them were reviewed."""
    from dagster_project.label_quality.review.reviewed_accuracy import (
        measure_reviewed_accuracy,  # torch takes seconds to import
    )

    paths = root.paths
    results = measure_reviewed_accuracy(root.open())
    versions = root.commit("reviewed_accuracy")
    rows = [
        {"model": r.model, "labels": labels, "accuracy": i.value, "low": i.low, "high": i.high}
        for r in results
        for labels, i in (("as labelled", r.as_labelled), ("as reviewed", r.as_reviewed))
    ]
    counts = (
        "model",
        *("disagreements", "disagreements_reviewed", "label_wrong", "out_of_domain", "two_regions"),
        *("agreements", "agreements_reviewed", "agreements_wrong"),
    )
    return dg.MaterializeResult(
        data_version=versions.of(paths.metrics("reviewed_accuracy")),
        metadata={
            "accuracy": as_table(pd.DataFrame(rows)),
            "reviewed images": as_table(pd.DataFrame([{n: getattr(r, n) for n in counts} for r in results])),
            "limits": dg.MetadataValue.md("\n".join(f"- {r.model}: {r.limit}" for r in results)),
        },
    )
