"""A working root: its paths, settings and region classes in one object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings, load_settings
from dagster_project.intake.taxonomy.taxonomy import Taxonomy, load_taxonomy


@dataclass(frozen=True)
class Root:
    """One working root; all stages take it as their argument."""

    paths: Paths
    settings: Settings

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The region classes, read once. Raises RayTruthError if the regions file is missing or malformed."""
        return load_taxonomy(self.paths.root / self.settings.regions)


def open_root(folder: Path) -> Root:
    """The working root in `folder`. Raises RayTruthError if its params.yaml is missing or invalid."""
    paths = Paths(folder.resolve())
    return Root(paths, load_settings(paths.settings))
