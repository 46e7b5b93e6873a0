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


@app.command(rich_help_panel=ROOTS, epilog="Example: raytruth --root /data/raytruth migrate")
def migrate(context: typer.Context, root: RootOption = None) -> None:
    """Migrate the root of an older version: ledger, tables, settings, pipeline. Lists what must be made again."""
    from dagster_project.core.paths import Paths

    for line in migrated(Paths((root or context.obj or Path()).resolve())):
        out.print(line, soft_wrap=True)


def migrated(paths: Paths) -> Iterator[str]:
    """Migrate the root; yield what was done and what is left to do.

    params.yaml comes last: until then, the same command goes on after a crash. Settings that this version does not have
    are named, because a person chose them. Raises RayTruthError if there is no root, or if the ledger cannot be read.
    """
    from dagster_project.cli.init import template
    from dagster_project.core.ledger import migrate_ledger, verified_head
    from dagster_project.core.pipeline_migration import migrate_pipeline
    from dagster_project.core.settings.migration import has_old_names, migrate_settings
    from dagster_project.core.settings.settings import load_settings
    from dagster_project.core.table_migration import SET_ASIDE, migrate_tables, set_aside
    from dagster_project.intake.pacs.state import migrate_state
    from dagster_project.label_quality.review.cards import migrate_cards

    if not paths.settings.exists():
        raise RayTruthError("There is no root here", where=str(paths.root), do="name a root with --root")
    yield f"ledger: {migrate_ledger(paths)} entries chained; {verified_head(paths)[0]} entries are intact"
    tables = migrate_tables(paths)
    yield f"tables: {tables} brought to the new names"
    for folder in (paths.worklist, paths.random_sample):
        yield f"{folder.name}: {migrate_cards(folder)} cards renamed"
    yield "PACS record: " + ("renamed" if migrate_state(paths.pacs_state) else "nothing to do")
    moved = set_aside(paths) if tables or has_old_names(paths.settings) else []
    for name in moved:
        yield f"moved to {SET_ASIDE}/: {name}"
    stages, kept = migrate_pipeline(paths.dvc_yaml, template("dvc.yaml"))
    yield f"dvc.yaml: {len(stages)} stages added" + (f"; the old file: {kept}" if stages else "")
    if stages:
        yield (
            "to do: take into dvc.yaml what you had changed in the old file, and leave out what only methods need that "
            "`pretraining.methods` does not name"
        )
    done = migrate_settings(paths.settings, template("params.yaml"))
    changed = f"params.yaml: {done.renamed} settings renamed, {len(done.added)} added"
    yield changed + (f"; the old file: {done.kept}" if done.kept else "")
    for name in done.unknown:
        yield f"to do: params.yaml no longer has {name}; its value is in {done.kept}"
    try:
        load_settings(paths.settings)
    except RayTruthError as error:
        yield f"to do: {error}"
    if moved:
        yield "to do: `raytruth run` with your sources: this version trains its encoders again"
