"""Commands for wrong labels and what reviewers say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.commands.common import LABELS, RootOption, app, open_root, out, show_table


@app.command("find-errors", rich_help_panel=LABELS, epilog="Example: raytruth find-errors")
def find_errors(context: typer.Context, root: RootOption = None) -> None:
    """Rank every picture by how likely its label is wrong."""
    layout, params = open_root(context, root)
    from dagster_project.label_errors.find import find_label_errors

    summary = find_label_errors(layout, params)
    title = f"estimated share of wrong labels {summary.estimated_noise:.1%}"
    show_table(title, ("kind", "pictures"), summary.kinds.items())
    out.print(f"ranked: {layout.label_errors}")


@app.command(
    rich_help_panel=LABELS,
    epilog="Example: raytruth review, then raytruth review --verdicts verdicts.csv --reviewer 'Dr A'",
)
def review(
    context: typer.Context,
    verdicts: Annotated[Path | None, typer.Option(help="Answers saved by the worklist page (CSV).")] = None,
    reviewer: Annotated[str, typer.Option(help="Who answered; needed with --verdicts.")] = "",
    root: RootOption = None,
) -> None:
    """Write the worklist page, or take the answers given on it into the ledger."""
    layout, params = open_root(context, root)
    if verdicts:
        from dagster_project.review.verdicts import import_verdicts

        out.print(f"{import_verdicts(layout, params, verdicts, reviewer)} new verdicts; next: raytruth split")
        return
    from dagster_project.review.worklist import build_worklist

    summary = build_worklist(layout, params)
    show_table(f"{summary.cards} cards: {summary.page}", ("kind", "cards"), summary.kinds.items())


@app.command(
    "export-corrections", rich_help_panel=LABELS, epilog="Example: raytruth export-corrections corrections.csv"
)
def export_corrections(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV to write; it holds original UIDs, so mind where.")],
    root: RootOption = None,
) -> None:
    """Write corrected labels with original UIDs, for the site's own use."""
    layout, _ = open_root(context, root)
    from dagster_project.review.verdicts import export_corrections as export

    out.print(f"{export(layout, file)} corrections in {file}")
