"""The working root as a Dagster resource."""

import os
from pathlib import Path

import dagster as dg

from dagster_project.core.dagster_helpers import Versions
from dagster_project.core.paths import Paths
from dagster_project.core.settings.settings import Settings
from dagster_project.intake.root import Root, open_root


class RootResource(dg.ConfigurableResource):
    """The working root. `path` is RAYTRUTH_ROOT, or the current folder."""

    path: str = ""

    @property
    def paths(self) -> Paths:
        """Its paths."""
        return Paths(Path(self.path or os.environ.get("RAYTRUTH_ROOT", "")).resolve())

    @property
    def settings(self) -> Settings:
        """Its settings, read again at each call."""
        return self.open().settings

    def open(self) -> Root:
        """The root with its settings as they are now."""
        return open_root(self.paths.root)

    def commit(self, stage: str) -> Versions:
        """Commit a stage's outputs to DVC; the result gives each output's version."""
        return Versions(self.paths, stage)
