"""`champion`, with the gate as an asset check."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import LEARNERS, as_table
from dagster_project.intake.resources import RootResource

if TYPE_CHECKING:
    from dagster_project.operations.retraining.gate import Gate

GATE = "challenger_does_not_lose"


@dg.asset(
    deps=["ensemble", "training_set"],
    group_name="ensembling",
    owners=[LEARNERS],
    kinds={"pytorch"},
    check_specs=[
        dg.AssetCheckSpec(
            GATE,
            asset="champion",
            description="The challenger is at least as accurate as the champion on the locked test split and loses in "
            "no class. Otherwise the champion stays.",
        )
    ],
)
def champion(root: RootResource) -> Iterator[dg.MaterializeResult]:
    """The promoted model, named by content hash in `models/champion.json`. Only the gate changes it."""
    from dagster_project.operations.retraining.gate import promote

    paths = root.paths
    gate = promote(root.open())
    versions = root.commit("champion")
    shown: dict[str, Any] = {
        "challenger accuracy": gate.accuracy,
        "difference to champion": f"{gate.difference.value:+.4f} ({gate.difference.low:+.4f} to "
        f"{gate.difference.high:+.4f})",
        "reasons against promotion": dg.MetadataValue.json(gate.against),
        "recall by region": as_table(_classes(gate)),
    }
    yield dg.MaterializeResult(
        data_version=versions.of(paths.champion),
        metadata={"champion": gate.challenger if gate.passed else gate.champion, **shown},
        check_results=[
            dg.AssetCheckResult(
                check_name=GATE, passed=gate.passed, severity=dg.AssetCheckSeverity.WARN, metadata=shown
            )
        ],
    )


def _classes(gate: "Gate") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "region": c.region,
                "test images": c.images,
                "challenger recall": c.challenger,
                "champion recall": c.champion,
                "low": c.difference.low,
                "high": c.difference.high,
            }
            for c in gate.classes
        ]
    )
