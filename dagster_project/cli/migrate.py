"""Migration of an older root to the names of this version, and a list of what must be made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dagster_project.cli.common import ROOTS, RootOption, app, out
from dagster_project.core.errors import RayTruthError

if TYPE_CHECKING:
    from dagster_project.core.paths import Paths

# Tables from before version 0.2.0, each with the command that writes it again under its new name.
_MADE_AGAIN = {
    "data/judgements.parquet": "find-errors",
    "data/causes.parquet": "find-causes",
    "data/private/causes.parquet": "find-causes",
}


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth --root /data/raytruth migrate")
def migrate(context: typer.Context, root: RootOption = None) -> None:
    """Migrate the root of an older version: ledger, cards, PACS record. Lists what must be made again."""
    from dagster_project.core.paths import Paths

    for line in migrated(Paths((root or context.obj or Path()).resolve())):
        out.print(line, soft_wrap=True)


def migrated(paths: Paths) -> Iterator[str]:
    """Migrate the root; yield what was done and what is left to do.

    Settings that this version does not know are listed, not changed: a person chose them. Raises RayTruthError if there
    is no root, or the ledger cannot be read.
    """
    from dagster_project.core.ledger import migrate_ledger, verified_head
    from dagster_project.core.settings.settings import load_settings
    from dagster_project.intake.pacs.state import migrate_state
    from dagster_project.label_quality.review.cards import migrate_cards

    if not paths.settings.exists():
        raise RayTruthError("There is no root here", where=str(paths.root), do="name a root with --root")
    yield f"ledger: {migrate_ledger(paths)} entries chained; {verified_head(paths)[0]} entries are intact"
    for folder in (paths.worklist, paths.random_sample):
        yield f"{folder.name}: {migrate_cards(folder)} cards renamed"
    yield "PACS record: " + ("renamed" if migrate_state(paths.pacs_state) else "nothing to do")
    for name, command in _MADE_AGAIN.items():
        if (paths.root / name).exists():
            yield f"to do: remove {name} and run `raytruth {command}`"
    try:
        load_settings(paths.settings)
    except RayTruthError as error:
        yield f"to do: {error}"
    yield "to do: `raytruth ingest`, `validate` and `run`: encoders are trained again under this version"
