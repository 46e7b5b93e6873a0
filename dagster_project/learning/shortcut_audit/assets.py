"""`shortcut_audit`: what the ensemble leans on besides the anatomy."""

import dagster as dg

from dagster_project.core.dagster_helpers import LEARNERS, as_image, as_table
from dagster_project.intake.resources import RootResource


@dg.asset(
    deps=["training_set", "radiograph_headers", "radiograph_pixels", "ensemble"],
    group_name="evaluation",
    owners=[LEARNERS],
    kinds={"scikitlearn", "pytorch"},
)
def shortcut_audit(root: RootResource) -> dg.MaterializeResult:
    """Predictions and accuracy on test images with one cue hidden or added, and what the embedding tells of scanner
    and room.

    The hidden centre is the positive control. Intervals (95 %) resample patients.
    """
    from dagster_project.learning.shortcut_audit.audit import audit_shortcuts  # torch takes seconds to import
    from dagster_project.learning.shortcut_audit.plots import effects_table, traces_table

    paths = root.paths
    audit = audit_shortcuts(root.open())
    versions = root.commit("shortcut_audit")
    plots = paths.plots_dir / "shortcut_audit"
    return dg.MaterializeResult(
        data_version=versions.of(paths.metrics("shortcut_audit")),
        metadata={
            "images": audit.images,
            "accuracy, untouched": audit.accuracy.value,
            "effects": as_table(effects_table(audit.effects)),
            "traces": as_table(traces_table(audit.traces)),
            "effects, drawn": as_image(plots / "effects.png"),
            "traces, drawn": as_image(plots / "traces.png"),
            "examples": as_image(plots / "examples.png"),
        },
    )
