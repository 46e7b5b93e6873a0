"""`label_errors`, the ranked list."""

import dagster as dg

from dagster_project.core.dagster_helpers import REVIEWERS, as_counts, as_image, as_table, column_schema
from dagster_project.intake.resources import RootResource
from dagster_project.label_quality.label_errors.tables import LABEL_ERRORS
from dagster_project.learning.pretraining.methods import CROSSFIT


@dg.asset(
    deps=["training_set", "linear_evaluation", CROSSFIT.encoder, "ensemble"],
    metadata=column_schema(LABEL_ERRORS),
    group_name="label_errors",
    owners=[REVIEWERS],
    kinds={"cleanlab"},
)
def label_errors(root: RootResource) -> dg.MaterializeResult:
    """Every image, ranked by the probability that its label is wrong. No model that gives it has seen that label."""
    from dagster_project.label_quality.label_errors.find import find_label_errors  # torch takes seconds to import

    paths = root.paths
    summary = find_label_errors(root.open())
    versions = root.commit("label_errors")
    return dg.MaterializeResult(
        data_version=versions.of(paths.label_errors),
        metadata={
            "images by kind": as_counts(summary.kinds, "kind", "images"),
            "estimated share of wrong labels": round(summary.estimated_noise, 4),
            "most suspicious": as_image(paths.plot("label_errors", "suspects.png")),
            "first rows": as_table(summary.top),
        },
    )
