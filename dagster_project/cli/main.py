"""`raytruth …`: every stage as a command, with the same plain functions that Dagster calls."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from dagster_project import cli
from dagster_project.cli.common import app
from dagster_project.core.progress import show_logs

_NO_COMMANDS = {"common", "demo", "init", "main"}

for _module in pkgutil.iter_modules(cli.__path__):
    if _module.name not in _NO_COMMANDS:
        import_module(f"{cli.__name__}.{_module.name}")  # the import of a module adds its commands


def main() -> None:
    """Run the command line."""
    show_logs()
    app()
