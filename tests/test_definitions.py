"""The graph as Dagster sees it. The first orchestration test: if this fails, nothing in the UI can be right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

REPOSITORY = Path(__file__).parents[1]

# asset -> (group, partitioned by batch, assets it comes from)
GRAPH = {
    "inbox": ("ingestion", False, set()),
    "radiograph_headers": ("ingestion", True, {"inbox"}),
    "radiograph_pixels": ("ingestion", True, {"radiograph_headers"}),
    "verdicts": ("review", False, set()),
    "corrected_labels": ("review", False, {"verdicts"}),
    "training_set": ("training_set", False, {"radiograph_headers", "radiograph_pixels", "corrected_labels"}),
    "encoder_simclr": ("pretraining", False, {"training_set", "radiograph_pixels"}),
    "encoder_byol": ("pretraining", False, {"training_set", "radiograph_pixels"}),
    "encoder_supcon": ("pretraining", False, {"training_set", "radiograph_pixels"}),
    "encoder_supcon_crossfit": ("pretraining", False, {"training_set", "radiograph_pixels"}),
    "plugged_in_encoders": ("pretraining", False, {"radiograph_pixels"}),
    "orientation": ("evaluation", False, {"training_set", "radiograph_pixels", "plugged_in_encoders"}),
    "linear_evaluation": (
        "evaluation",
        False,
        {"training_set", "orientation", "encoder_simclr", "encoder_byol", "encoder_supcon", "plugged_in_encoders"},
    ),
    "ensemble": (
        "ensembling",
        False,
        {
            "training_set",
            "linear_evaluation",
            "encoder_simclr",
            "encoder_byol",
            "encoder_supcon",
            "plugged_in_encoders",
        },
    ),
    "shortcut_audit": (
        "evaluation",
        False,
        {"training_set", "radiograph_headers", "radiograph_pixels", "ensemble"},
    ),
    "champion": ("ensembling", False, {"ensemble", "training_set"}),
    "label_errors": (
        "label_errors",
        False,
        {"training_set", "linear_evaluation", "encoder_supcon_crossfit", "ensemble"},
    ),
    "error_causes": ("label_errors", False, {"label_errors", "training_set", "radiograph_headers", "verdicts"}),
    "review_worklist": ("review", False, {"label_errors", "training_set", "linear_evaluation"}),
    "review_budget": ("review", False, {"label_errors", "training_set", "verdicts"}),
    "reviewed_accuracy": ("review", False, {"training_set", "ensemble", "linear_evaluation", "verdicts"}),
    "batch_predictions": ("monitoring", True, {"radiograph_headers", "radiograph_pixels", "champion"}),
    "drift_report": ("monitoring", True, {"batch_predictions"}),
}


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    os.environ["RAYTRUTH_ROOT"] = str(REPOSITORY)
    from dagster_project.definitions import defs

    os.environ.pop("RAYTRUTH_ROOT")
    return defs.resolve_asset_graph()


def test_the_graph_has_the_assets_groups_partitions_and_dependencies_of_the_design(graph: dg.AssetGraph) -> None:
    found = {
        key.to_user_string(): (
            graph.get(key).group_name,
            graph.get(key).partitions_def is not None,
            {parent.to_user_string() for parent in graph.get(key).parent_keys},
        )
        for key in graph.get_all_asset_keys()
    }
    assert found == GRAPH


def test_every_asset_says_what_it_is_whose_and_of_what_kind(graph: dg.AssetGraph) -> None:
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert len(node.description or "") > 40, key
        assert node.owners, key
        assert node.kinds, key


def test_there_is_one_partitioned_check_an_expectation_the_search_the_gate_and_the_orientation(
    graph: dg.AssetGraph,
) -> None:
    from dagster_project.intake.validation.expectations import EXPECTATIONS

    checks = {key.name: graph.get(key) for key in graph.asset_check_keys}
    others = {"challenger_does_not_lose", "no_identity_outside_private", "images_are_upright", "batch_is_upright"}
    assert {e.name for e in EXPECTATIONS} | others == set(checks)
    assert checks["no_identity_outside_private"].partitions_def is not None
    assert checks["batch_is_upright"].partitions_def is not None
    assert all(checks[e.name].partitions_def is not None for e in EXPECTATIONS)
    assert {e.name for e in EXPECTATIONS if e.blocking} == {name for name, check in checks.items() if check.blocking}


def test_trainings_wait_for_one_another_in_the_pool(graph: dg.AssetGraph) -> None:
    pooled = {key.to_user_string() for key in graph.materializable_asset_keys if "gpu" in graph.get(key).pools}
    assert pooled == {"encoder_simclr", "encoder_byol", "encoder_supcon", "encoder_supcon_crossfit"}


@pytest.mark.slow
def test_the_workspace_loads_without_a_warning_or_a_slow_library(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from dagster_project.definitions import defs\n"
        "defs.get_repository_def()\n"
        "slow = {'torch', 'pytorch_lightning', 'monai', 'evidently', 'great_expectations', 'dvc'} & set(sys.modules)\n"
        "print(sorted(slow))"
    )
    environment = {**os.environ, "RAYTRUTH_ROOT": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "libraries"),
    [
        pytest.param(
            "learning.pretraining.encoder learning.evaluation.linear_evaluation learning.ensembling.ensemble "
            "operations.retraining.gate",
            {"dagster", "great_expectations", "evidently", "dvc"},
            id="what learns needs no orchestration, validation or versioning",
        ),
        pytest.param(  # their import takes longer than finding label errors
            "label_quality.label_errors.find label_quality.review.worklist learning.ensembling.ensemble "
            "operations.monitoring.drift learning.pretraining.pretrain",
            {"monai", "pytorch_lightning"},
            id="what uses encoders needs no library of their training",
        ),
    ],
)
def test_slow_libraries_are_imported_only_where_they_are_used(modules: str, libraries: set[str]) -> None:
    imports = "".join(f"import dagster_project.{module}\n" for module in modules.split())
    script = f"import sys\n{imports}print(sorted({libraries} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
