"""`shortcut_audit`: how much the ensemble relies on cues other than anatomy."""

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
    """Predictions on test images with one cue hidden or added, and probes of the embeddings for scanner and room.

    The perturbation "centre hidden" is the positive control. Intervals (95 %) resample patients.
    """
    from dagster_project.learning.shortcut_audit.audit import audit_shortcuts  # torch takes seconds to import
    from dagster_project.learning.shortcut_audit.plots import attribute_probes_table, effects_table

    paths = root.paths
    audit = audit_shortcuts(root.open())
    versions = root.commit("shortcut_audit")
    plots = paths.plots_dir / "shortcut_audit"
    return dg.MaterializeResult(
        data_version=versions.of(paths.metrics("shortcut_audit")),
        metadata={
            "images": audit.images,
            "accuracy without perturbation": audit.accuracy.value,
            "perturbations": as_table(effects_table(audit.effects)),
            "attribute probes": as_table(attribute_probes_table(audit.attribute_probes)),
            "perturbations chart": as_image(plots / "effects.png"),
            "attribute probes chart": as_image(plots / "attribute_probes.png"),
            "examples": as_image(plots / "examples.png"),
        },
    )
