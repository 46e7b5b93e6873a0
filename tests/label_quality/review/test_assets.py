"""What the assets of causes, budget and reviewed accuracy show in Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from support.suspicious import STATION, suspicious_root

from dagster_project.core.atomic_io import write_table
from dagster_project.core.ledger import begin_ledger
from dagster_project.core.paths import Paths
from dagster_project.intake.resources import RootResource
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.error_causes.assets import error_causes
from dagster_project.label_quality.review.assets import review_budget, reviewed_accuracy


@pytest.mark.slow
def test_causes_budget_and_reviewed_accuracy_are_told_in_dagster(tmp_path: Path) -> None:
    paths, _ = suspicious_root(tmp_path / "root")
    begin_ledger(paths)
    test = load_training_set(paths).query("split == 'test'")
    said = test[["image_id", "region"]].assign(model="ensemble", fraction=1.0, repeat=0)
    write_table(paths.test_predictions("ensemble"), said)
    told = {
        asset.key.to_user_string(): metadata_of(asset, paths)
        for asset in (error_causes, review_budget, reviewed_accuracy)
    }

    (row,) = told["error_causes"]["causes"].records
    assert f"Station {STATION} labels elbow images as *shoulder*" in row.data["cause"]
    assert len(row.data["image_ids"].split()) >= 5
    assert told["review_budget"]["low (95 %)"].value <= told["review_budget"]["high (95 %)"].value
    assert told["review_budget"]["errors found and expected"].value.startswith("![image](data:image/png")
    assert told["review_budget"]["review can stop"].value is False
    both = pd.DataFrame([record.data for record in told["reviewed_accuracy"]["accuracy"].records])
    assert both["labels"].tolist() == ["as labelled", "as reviewed"]
    assert both["accuracy"].tolist() == [1, 1]
    assert "CANARY" not in str(told).upper()


def metadata_of(asset: dg.AssetsDefinition, paths: Paths) -> dict[str, dg.MetadataValue]:
    result = dg.materialize([asset], resources={"root": RootResource(path=str(paths.root))})
    (event,) = result.asset_materializations_for_node(asset.node_def.name)
    return dict(event.metadata)
