"""The search for identities as an asset check, which runs with each ingestion on the whole root."""

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import BATCHES, as_counts, as_table
from dagster_project.intake.privacy.scan import scan
from dagster_project.intake.resources import RootResource


@dg.asset_check(
    asset="radiograph_headers",
    description="No file outside data/private/ contains a name, ID, accession number, UID or source path of this batch",
    partitions_def=BATCHES,
)
def no_identity_outside_private(context: dg.AssetCheckExecutionContext, root: RootResource) -> dg.AssetCheckResult:
    """Search tables, images, models, reports, logs and the stores of Dagster and DVC for the batch's identities."""
    result = scan(root.paths, [context.partition_key])
    finds = pd.DataFrame([vars(f) for f in result.finds], columns=["batch", "place", "kind", "times"])
    return dg.AssetCheckResult(
        passed=result.clean,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "identities searched for": result.identities,
            "files searched": result.files,
            "megabytes": round(result.bytes / 1e6, 1),
            "identities not searched for": as_counts(result.left_out, "reason", "identities"),
            "unreadable files": as_table(pd.DataFrame({"place": result.unread})),
            "identities found": as_table(finds),
        },
    )
