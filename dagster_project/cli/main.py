"""`raytruth …`: every stage as a command, with the same plain functions that Dagster calls."""

from __future__ import annotations

from dagster_project.commands import (
    as_reviewed,
    budget,
    causes,
    corrections,
    daily,
    explain,
    labels,
    learning,
    pacs,
    pictures,
    privacy,
    sites,
    verdicts,
)
from dagster_project.commands.common import app
from dagster_project.progress import show_logs

# Imported, a module adds its commands.
__all__ = [
    "app",
    "as_reviewed",
    "budget",
    "causes",
    "corrections",
    "daily",
    "explain",
    "labels",
    "learning",
    "main",
    "pacs",
    "pictures",
    "privacy",
    "sites",
    "verdicts",
]


def main() -> None:
    """Run the command line."""
    show_logs()
    app()
