"""Turned and inverted images as Dagster shows them: a warning with counts and a montage."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from support.limbs import BATCH, Limbs, limbs_root

from dagster_project.core.atomic_io import read_table, write_array
from dagster_project.core.dagster_helpers import BATCHES
from dagster_project.core.paths import Paths
from dagster_project.intake.resources import RootResource
from dagster_project.learning.orientation.assets import orientation
from dagster_project.operations.monitoring.checks import batch_is_upright


@dg.asset(partitions_def=BATCHES)
def batch_predictions() -> None:
    """The asset that the check belongs to."""


def check_of_training_set(paths: Paths) -> dg.AssetCheckEvaluation:
    done = dg.materialize([orientation], resources={"root": RootResource(path=str(paths.root))})
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


def check_of_batch(paths: Paths) -> dg.AssetCheckEvaluation:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(BATCHES.name or "", [BATCH])
        done = dg.materialize(
            [batch_predictions, batch_is_upright],
            instance=instance,
            partition_key=BATCH,
            resources={"root": RootResource(path=str(paths.root))},
        )
    (evaluation,) = done.get_asset_check_evaluations()
    return evaluation


@pytest.fixture(scope="module")
def limbs(tmp_path_factory: pytest.TempPathFactory) -> Limbs:
    return limbs_root(tmp_path_factory.mktemp("limbs") / "root")


@pytest.mark.slow
def test_turned_images_of_the_training_set_and_of_a_batch_are_a_warning(limbs: Limbs) -> None:
    paths = limbs.root.paths
    for evaluation in (check_of_training_set(paths), check_of_batch(paths)):
        assert not evaluation.passed
        assert evaluation.severity == dg.AssetCheckSeverity.WARN
        rows = [record.data for record in evaluation.metadata["turned or inverted"].value.records]
        finding = read_table(paths.orientation)["finding"]
        assert {row["finding"]: row["images"] for row in rows} == finding[finding != ""].value_counts().to_dict()
        assert evaluation.metadata["surest"].value.startswith("![image](data:image/png")
        assert evaluation.metadata["images judged"].value == len(finding)
    assert list(paths.private.glob("turned-*")) == []


@pytest.mark.slow
def test_upright_images_pass_and_a_batch_without_a_probe_is_called_not_judged(tmp_path: Path) -> None:
    limbs = limbs_root(tmp_path / "root")
    paths = limbs.root.paths
    write_array(paths.pixels(BATCH), limbs.upright)
    assert "not judged" in check_of_batch(paths).metadata["note"].value
    assert check_of_training_set(paths).passed
    batch = check_of_batch(paths)
    assert batch.passed
    assert batch.metadata["images judged"].value == len(np.load(paths.pixels(BATCH)))
