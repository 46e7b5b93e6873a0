"""What the documentation says is what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import COMMANDS

from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import load_settings
from dagster_project.intake.ingestion.headers.reasons import page as page_of_reasons
from dagster_project.outputs import TABLES
from dagster_project.outputs import page as page_of_outputs

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
LINKED = [*PAGES, REPOSITORY / "CHANGELOG.md"]  # which names commands of earlier versions
GLOSSARY = REPOSITORY / "docs" / "glossary.md"
CODE = (".py", ".yaml", ".js")


def test_the_page_of_reasons_is_made_from_the_code() -> None:
    assert (REPOSITORY / "docs" / "reasons.md").read_text() == page_of_reasons() + "\n"


def test_the_page_of_outputs_is_made_from_the_declarations() -> None:
    assert (REPOSITORY / "docs" / "outputs.md").read_text() == page_of_outputs(
        load_settings(REPOSITORY / "params.yaml")
    )


def test_the_page_of_outputs_names_commands_alone() -> None:
    words = [word for table in TABLES for word in (*table.written_by, *table.read_by)]
    assert {word for word in words if word not in ("people", "review page")} <= set(COMMANDS)


def test_the_page_of_commands_is_made_from_the_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "typer", "dagster_project.cli.main", "utils", "docs", "--name", "raytruth"]
    subprocess.run([*command, "--title", "Command line", "--output", str(tmp_path / "cli.md")], check=True)
    assert (REPOSITORY / "docs" / "cli.md").read_text() == (tmp_path / "cli.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_named_exists(page: Path) -> None:
    named = re.findall(r"(?<![/\w])raytruth (?:--root \S+ )?([a-z-]+)", page.read_text())
    assert set(named) <= {*COMMANDS, "command", "stage"}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        if not target.startswith("https://"):
            linked = page.parent / target if target else page
            assert linked.exists(), target
            assert not heading or heading in _anchors(linked), f"{target}#{heading}"


def test_the_index_of_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([^)#]+)", (REPOSITORY / "README.md").read_text()))
    pages = {str(page.relative_to(REPOSITORY)) for page in (REPOSITORY / "docs").glob("*.md")}
    assert {*pages, "docs/adr/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"} <= linked
    decisions = {page.name for page in (REPOSITORY / "docs" / "adr").glob("0*.md")}
    assert set(re.findall(r"\]\((0[^)]+)", (REPOSITORY / "docs" / "adr" / "README.md").read_text())) == decisions


def test_every_term_of_the_glossary_is_in_use_and_its_tables_are_sorted() -> None:
    used = " ".join(map(_words, [*_files("dagster_project"), *(page for page in PAGES if page != GLOSSARY)]))
    for table in re.split(r"\n## ", GLOSSARY.read_text())[1:]:
        terms = [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ")][1:]
        assert terms == sorted(terms, key=str.lower)
        alone = [term.lower() for several in terms for term in several.split(", ")]
        assert [term for term in alone if not re.search(rf"\b{re.escape(term.replace('-', ' '))}", used)] == []


def test_the_files_and_names_of_the_contributing_page_exist() -> None:
    page = (REPOSITORY / "CONTRIBUTING.md").read_text().split("## How to add", 1)[1]
    quoted = {word for word in re.findall(r"`([^`\s]+)`", page) if "<" not in word}
    places = {word for word in quoted if "/" in word or Path(word).suffix in (*CODE, ".html", ".md")}
    files = [*_files("dagster_project", "tests"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("*.*")]
    listed = "\n".join(f"/{path.relative_to(REPOSITORY)}" for path in files)
    assert [place for place in places if f"/{place}" not in listed] == []
    code = "\n".join(path.read_text() for path in files if path.suffix in CODE)
    names = {name for word in quoted - places for name in re.findall(r"[A-Za-z_]{4,}", word)}
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []


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


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _words(path: Path) -> str:
    """A file's text in small letters; `_` and `-` count as spaces."""
    return re.sub(r"[\s_-]+", " ", path.read_text(errors="ignore").lower())


def _files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (REPOSITORY / folder).rglob("*") if path.suffix != ".pyc"]
    return [path for path in found if path.is_file()]
