"""`raytruth demo`, small: the README's first command, and the UI on what it left."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.encoders import ENCODERS
from support.roots import small_root, where_found
from support.whole_chain import PATIENTS

pytestmark = pytest.mark.slow


def test_the_demonstration_runs_through_and_says_where_to_look(tmp_path: Path, raytruth) -> None:
    demo = small_root(tmp_path / "demo").root
    (demo / "hospital").mkdir()  # as if begun before: its settings are kept, and these learn quickly
    done = raytruth("demo", demo, "--patients", PATIENTS)
    assert done.returncode == 0, done.stderr[-3000:]
    said = " ".join(done.stdout.split())
    for part in ("Wall time", "encoder_simclr", "ensemble", "Planted label errors found", "Drift of the batch `south`"):
        assert part in said
    for message in ("label errors: ", "champion: ", "worklist: "):
        assert (done.stdout + done.stderr).count(message) == 1, "Dagster must not log it a second time"
    for page in ("worklist/cards.json", "data_docs/north/index.html"):
        assert (demo / "data" / "reports" / page).exists()
    assert where_found("CANARY", demo, leave_out=("data/private", "hospital")) == []
    weights = {e: demo / "models" / e / "weights.safetensors" for e in ENCODERS}
    written = {e: path.stat().st_mtime_ns for e, path in weights.items()}
    again = raytruth("demo", demo, "--patients", PATIENTS)
    assert again.returncode == 0, again.stderr[-3000:]
    assert {e: path.stat().st_mtime_ns for e, path in weights.items()} == written, "nothing is trained twice"


def test_a_folder_in_use_is_left_alone(tmp_path: Path, raytruth) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    done = raytruth("demo", tmp_path / "mine")
    assert done.returncode == 1
    assert "a folder of its own" in done.stderr
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["letter.txt"]
