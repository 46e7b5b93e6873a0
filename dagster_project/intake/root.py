"""A working root: its paths, settings and region classes in one object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dagster_project.core.paths import Layout
from dagster_project.core.settings.settings import Params, load_params
from dagster_project.intake.taxonomy.taxonomy import Taxonomy, load_taxonomy


@dataclass(frozen=True)
class Root:
    """One working root, as all stages take it."""

    layout: Layout
    params: Params

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The region classes, read once. Raises RayTruthError if the regions file is missing or malformed."""
        return load_taxonomy(self.layout.root / self.params.regions)


def open_root(folder: Path) -> Root:
    """The working root in `folder`. Raises RayTruthError if there is none, or its params.yaml is unusable."""
    layout = Layout(folder.resolve())
    return Root(layout, load_params(layout.params))
