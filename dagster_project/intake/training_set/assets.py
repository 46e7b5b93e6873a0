"""`training_set`: labels, near-duplicates, split."""

import dagster as dg

from dagster_project.core.dagster_helpers import ENGINEERS, as_counts, as_table, column_schema
from dagster_project.intake.resources import RootResource
from dagster_project.intake.training_set.build import build_training_set
from dagster_project.intake.training_set.tables import TRAINING_SET


@dg.asset(
    deps=["radiograph_headers", "radiograph_pixels", "corrected_labels"],
    metadata=column_schema(TRAINING_SET),
    group_name="training_set",
    owners=[ENGINEERS],
    kinds={"pandas", "parquet"},
)
def training_set(root: RootResource) -> dg.MaterializeResult:
    """Every image of the validated batches, with label, split by patient, fold and near-duplicate group.

    Patients who are linked by headers, equal pixels or near-duplicates count as one patient and stay in one split. A
    batch is refused if a blocking check failed or if the batch has changed since the checks.
    """
    paths = root.paths
    summary = build_training_set(root.open())
    versions = root.commit("training_set")
    return dg.MaterializeResult(
        data_version=versions.of(paths.training_set),
        metadata={
            "dagster/row_count": summary.images,
            "patients": summary.patients,
            "near-duplicate pairs": summary.near_duplicates,
            "linked patients": as_table(summary.links.table),
            "contradicted links": as_counts(summary.links.contradictions, "contradicted by", "groups"),
            "excluded images": as_counts(summary.excluded, "reason", "images"),
            "images by region and split": as_table(summary.counts.reset_index()),
            "refused batches": dg.MetadataValue.json(summary.refused),
            "classes with too few patients": as_counts(summary.small_classes, "region", "patients"),
        },
    )
