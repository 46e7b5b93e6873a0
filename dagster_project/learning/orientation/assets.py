"""`orientation`: turned and inverted images, with a check."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dagster_project.core.dagster_helpers import LEARNERS, as_counts, as_image, as_table, column_schema
from dagster_project.intake.resources import RootResource
from dagster_project.learning.orientation.tables import ORIENTATION

UPRIGHT = "images_are_upright"


@dg.asset(
    deps=["training_set", "radiograph_pixels", "plugged_in_encoders"],
    metadata=column_schema(ORIENTATION),
    group_name="evaluation",
    owners=[LEARNERS],
    kinds={"scikitlearn"},
    check_specs=[
        dg.AssetCheckSpec(
            UPRIGHT,
            asset="orientation",
            description="No image of the training set is turned by a right angle or inverted. Left and right cannot be "
            "recognised from most images.",
        )
    ],
)
def orientation(root: RootResource) -> Iterator[dg.MaterializeResult]:
    """How each image is turned, and whether it is inverted, by probes that learned from the site's own images.

    No probe that judges an image has seen the image or its patient.
    """
    from dagster_project.learning.orientation.find import find_turned  # torch takes seconds to import

    paths = root.paths
    summary = find_turned(root.open())
    versions = root.commit("orientation")
    shown: dict[str, Any] = {
        "images judged": summary.images,
        "turned or inverted": as_table(summary.found),
        "surest": as_image(paths.plot("orientation", "turned.png")),
    }
    if measured := summary.metrics:
        areas = {
            "area under the ROC curve": as_counts(measured["auc"], "planted", "area"),
            "area for upside down by region": as_counts(measured["auc_180_by_region"], "region", "area"),
        }
    else:
        areas = {}
    yield dg.MaterializeResult(
        data_version=versions.of(paths.orientation),
        metadata={**shown, **areas},
        check_results=[
            dg.AssetCheckResult(
                check_name=UPRIGHT, passed=summary.found.empty, severity=dg.AssetCheckSeverity.WARN, metadata=shown
            )
        ],
    )
