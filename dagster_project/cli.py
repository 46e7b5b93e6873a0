"""`raytruth …`: every stage as a command, with the same plain functions that Dagster calls."""

from __future__ import annotations

from dagster_project.commands import daily, labels, learning, pictures, privacy, sites
from dagster_project.commands.common import app
from dagster_project.progress import show_logs

__all__ = [
    "app",
    "daily",
    "labels",
    "learning",
    "main",
    "pictures",
    "privacy",
    "sites",
]  # imported, a module adds its commands


def main() -> None:
    """Run the command line."""
    show_logs()
    app()
