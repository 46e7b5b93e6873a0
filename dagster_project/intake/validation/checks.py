"""One asset check for each expectation, all from one run of the Great Expectations suite."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import BATCHES, as_table
from dagster_project.intake.resources import RootResource
from dagster_project.intake.validation.expectations import EXPECTATIONS
from dagster_project.intake.validation.validate import CheckResult, validate


@dg.multi_asset_check(
    name="metadata_checks",
    specs=[
        dg.AssetCheckSpec(
            e.name, asset="radiograph_headers", description=e.says, blocking=e.blocking, partitions_def=BATCHES
        )
        for e in EXPECTATIONS
    ],
)
def metadata_checks(context: dg.AssetCheckExecutionContext, root: RootResource) -> Iterator[dg.AssetCheckResult]:
    """Validate one batch's headers, and write Data Docs."""
    batch = context.partition_key
    result = validate(root.open(), batch)
    root.commit("metadata_checks")
    for check in result.checks:
        yield dg.AssetCheckResult(
            passed=check.passed,
            asset_key="radiograph_headers",
            check_name=check.name,
            severity=dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN,
            metadata=_metadata(check),
        )


def _metadata(check: CheckResult) -> dict[str, dg.MetadataValue]:
    shown: dict[str, dg.MetadataValue] = {
        "rows": dg.MetadataValue.int(check.rows),
        "failing rows": dg.MetadataValue.int(check.unexpected),
    }
    if check.samples:
        shown["sample rows"] = as_table(pd.DataFrame(check.samples))
    if check.message:
        shown["message"] = dg.MetadataValue.text(check.message)
    return shown
