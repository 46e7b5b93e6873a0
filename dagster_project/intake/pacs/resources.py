"""The PACS sources of params.yaml as a Dagster resource."""

import dagster as dg

from dagster_project.intake.pacs.pull import Pulled, pull
from dagster_project.intake.pacs.state import State
from dagster_project.intake.resources import RootResource
from dagster_project.intake.root import Root


class Pacs(dg.ConfigurableResource):
    """The sources under `pacs` in params.yaml, with credentials from the environment."""

    root: RootResource

    def pull(self, source: str) -> Pulled:
        """One poll of a source; see `dagster_project.intake.pacs.pull`."""
        return pull(Root(self.root.paths, self.root.settings), source)

    def tallies(self, source: str) -> list[tuple[str, str, int]]:
        """Arrived and refused objects: day, outcome, number; the latest day first."""
        if not self.root.paths.pacs_state.exists():
            return []
        state = State(self.root.paths.pacs_state)
        try:
            return state.tallies(source)
        finally:
            state.close()
