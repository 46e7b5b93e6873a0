"""A new kind of verdict is one member of the enum: page, ledger, figures and other tools follow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support.reviewing import ranked_root
from support.served import MAIN, Served, opened, press

import dagster_project
from dagster_project.core.paths import Paths
from dagster_project.intake.root import Root
from dagster_project.label_quality.review.cards import load_worklist
from dagster_project.label_quality.review.worklist import build_worklist

MEMBERS = """
    WRONG_SIDE = "wrong_side", Traits("i", "wrong side", is_error=True)
    MAINLY = "mainly", Traits("k", "mainly another region", needs_region=True, is_error=True)
    UNDETERMINED ="""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with a copy of the package that has two kinds more."""
    copy = tmp_path / "changed" / "dagster_project"
    shutil.copytree(Path(dagster_project.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    kinds = copy / "core" / "verdict_kinds.py"
    before = kinds.read_text()
    kinds.write_text(before.replace("\n    UNDETERMINED =", MEMBERS, 1))
    assert kinds.read_text() != before
    return copy.parent


def run(package: Path, paths: Paths, *words: str) -> str:
    command = [sys.executable, "-c", MAIN, "--root", str(paths.root), *words]
    env = os.environ | {"PYTHONPATH": str(package), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=paths.root, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.browser
def test_one_member_more_and_every_place_follows(
    tmp_path: Path, package: Path, serve: Callable[..., Served], browser
) -> None:
    paths = Paths(tmp_path / "root")
    build_worklist(Root(paths, ranked_root(paths, 20)))
    first, second, third = list(load_worklist(paths).cards.values())[:3]

    page = opened(browser, serve(paths, "--reviewer", "Dr A", package=package).address)
    buttons = page.locator("#answers button").all_inner_texts()
    assert buttons[3:6] == ["t two regions", "i wrong side", "k mainly another region"]
    press(page, "i")
    assert page.locator("#message").inner_text() == "✓ recorded rank 1: wrong side"
    press(page, "k")
    assert "which region?" in page.locator("#message").inner_text()
    press(page, "1")
    assert page.locator("#errors").inner_text() == "2 errors in 2 decided (100 %)"
    assert page.errors == []

    answers = tmp_path / "answers.csv"
    answers.write_text(f"image_id,verdict,region,at\n{third['image_id']},wrong_side,,2026-03-01T10:00:00+00:00\n")
    assert "1 new verdict" in run(package, paths, "import-verdicts", str(answers), "--reviewer", "Dr B")
    assert "3, 3 of them wrong" in run(package, paths, "review-budget")
    run(package, paths, "export-worklist", str(tmp_path / "studio"), "--to", "label-studio")
    assert 'value="wrong_side" hotkey="i"' in (tmp_path / "studio" / "config.xml").read_text()
    corrected = pd.read_parquet(paths.corrected_labels).set_index("image_id")
    assert corrected.loc[first["image_id"], ["verdict", "region"]].tolist() == ["wrong_side", ""]
    assert corrected.loc[second["image_id"], "verdict"] == "mainly"
    assert corrected.loc[second["image_id"], "region"] != ""
