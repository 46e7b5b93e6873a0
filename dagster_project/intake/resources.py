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
        """The paths of the root."""
        return Paths(Path(self.path or os.environ.get("RAYTRUTH_ROOT", "")).resolve())

    @property
    def settings(self) -> Settings:
        """The settings of the root, read again at each call."""
        return self.open().settings

    def open(self) -> Root:
        """The root with its current settings."""
        return open_root(self.paths.root)

    def commit(self, stage: str) -> Versions:
        """Commit a stage's outputs to DVC; the result has the version of each output."""
        return Versions(self.paths, stage)
