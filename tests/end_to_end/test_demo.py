"""`raytruth demo`, small: the README's first command, and the UI on what it left."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.demonstration import Demonstration
from support.roots import where_found

pytestmark = pytest.mark.slow


def test_the_demonstration_runs_through_and_says_where_to_look(demonstration: Demonstration) -> None:
    said = " ".join(demonstration.said(0).split())
    for part in ("Wall time", "encoder_simclr", "ensemble", "Planted label errors found", "Drift of the batch `south`"):
        assert part in said
    for message in ("label errors: ", "champion: ", "worklist: "):
        assert said.count(message) == 1, "Dagster must not log it a second time"
    for page in ("worklist/cards.json", "data_docs/north/index.html"):
        assert (demonstration.paths.root / "data" / "reports" / page).exists()


def test_nothing_of_the_demonstration_names_a_patient(demonstration: Demonstration) -> None:
    """Neither what the stages wrote nor what Dagster keeps of its runs."""
    assert where_found("CANARY", demonstration.paths.root, leave_out=("data/private", "hospital")) == []


def test_run_again_the_demonstration_trains_nothing(demonstration: Demonstration) -> None:
    assert "Wall time" in demonstration.said(1)
    assert demonstration.written(1) == demonstration.written(0)


def test_a_folder_in_use_is_left_alone(tmp_path: Path, raytruth) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    done = raytruth("demo", tmp_path / "mine")
    assert done.returncode == 1
    assert "a folder of its own" in done.stderr
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]
