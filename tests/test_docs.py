"""What the documentation says is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import COMMANDS

from dagster_project.core.paths import Paths
from dagster_project.intake.ingestion.headers.reasons import page as page_of_reasons

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def test_the_page_of_reasons_is_made_from_the_code() -> None:
    assert (REPOSITORY / "docs" / "reasons.md").read_text() == page_of_reasons() + "\n"


def test_the_page_of_commands_is_made_from_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "typer", "dagster_project.cli.main", "utils", "docs", "--name", "raytruth"]
    subprocess.run([*command, "--title", "Command line", "--output", str(tmp_path / "cli.md")], check=True)
    assert (REPOSITORY / "docs" / "cli.md").read_text() == (tmp_path / "cli.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_exists(page: Path) -> None:
    named = re.findall(r"(?<![/\w])raytruth (?:--root \S+ )?([a-z-]+)", page.read_text())
    assert set(named) <= {*COMMANDS, "command", "stage"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_every_file_named_in_the_design_is_where_the_layout_puts_it() -> None:
    paths = Paths(Path("root"))
    named = {
        paths.headers("b"): "data/headers/b.parquet",
        paths.pixels("b"): "data/pixels/b.npy",
        paths.quarantine("b"): "data/quarantine/b.parquet",
        paths.patient_evidence("b"): "data/patient_evidence/b.parquet",
        paths.training_set: "data/training_set.parquet",
        paths.label_errors: "data/label_errors.parquet",
        paths.verdicts: "data/verdicts.parquet",
        paths.champion: "models/champion.json",
        paths.metrics("ensemble"): "models/metrics/ensemble.json",
        paths.files: "data/private/files.parquet",
        paths.identities: "data/private/identities.parquet",
        paths.encoder("encoder_simclr"): "models/encoder_simclr",
    }
    assert {path.relative_to("root"): Path(text) for path, text in named.items()} == {
        Path(text): Path(text) for text in named.values()
    }
