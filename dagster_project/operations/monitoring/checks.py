"""Turned and inverted images of a batch as an asset check, which runs with the batch's predictions."""

import dagster as dg

from dagster_project.core.dagster_helpers import BATCHES, as_counts, as_image
from dagster_project.intake.resources import RootResource


@dg.asset_check(
    asset="batch_predictions",
    description="No image of the batch is turned by a right angle or inverted, against the site's other images. Left "
    "and right cannot be recognised from most images.",
    partitions_def=BATCHES,
)
def batch_is_upright(context: dg.AssetCheckExecutionContext, root: RootResource) -> dg.AssetCheckResult:
    """Count and show the turned and the inverted images; a warning, because a reader sees them as they are."""
    from dagster_project.learning.orientation.batch import judge_batch  # torch takes seconds to import

    paths, batch = root.paths, context.partition_key
    judged = judge_batch(root.open(), batch)
    if judged.found is None:
        return dg.AssetCheckResult(passed=True, metadata={"note": "not judged: there is no probe, see `orientation`"})
    montage = paths.private / f"turned-{batch}.png"
    judged.draw(paths, montage)
    shown = as_image(montage)
    montage.unlink()
    return dg.AssetCheckResult(
        passed=not judged.counts,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "images judged": len(judged.found),
            "turned or inverted": as_counts(judged.counts, "finding", "images"),
            "surest": shown,
        },
    )
