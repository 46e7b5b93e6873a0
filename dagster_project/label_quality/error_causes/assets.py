"""`error_causes`: groups of images with more wrong labels than comparable images."""

import dagster as dg

from dagster_project.core.dagster_helpers import REVIEWERS, as_table, column_schema
from dagster_project.intake.resources import RootResource
from dagster_project.label_quality.error_causes.tables import ERROR_CAUSES


@dg.asset(
    deps=["label_errors", "training_set", "radiograph_headers", "verdicts"],
    metadata=column_schema(ERROR_CAUSES),
    group_name="label_errors",
    owners=[REVIEWERS],
    kinds={"scipy"},
)
def error_causes(root: RootResource) -> dg.MaterializeResult:
    """Stations, devices, batches, attributes, entries and regions with significantly more wrong labels."""
    from dagster_project.label_quality.error_causes.find import find_causes  # torch takes seconds to import

    paths = root.paths
    summary = find_causes(paths)
    versions = root.commit("error_causes")
    shown = summary.causes.assign(image_ids=[" ".join(ids) for ids in summary.causes["image_ids"]])
    return dg.MaterializeResult(
        data_version=versions.of(paths.error_causes),
        metadata={
            "dagster/row_count": len(shown),
            "groups tested": summary.tested,
            "private causes (protocols, months)": summary.private,
            "causes": as_table(shown),
        },
    )
