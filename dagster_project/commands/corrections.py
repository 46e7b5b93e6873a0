"""The command that brings corrections back into the archive."""

from __future__ import annotations

from typing import Annotated

import typer

from dagster_project.commands.common import LABELS, RootOption, app, open_root, out, show_table


@app.command(
    "push-corrections",
    rich_help_panel=LABELS,
    epilog="Example: raytruth push-corrections main, and when that looks right, the same with --really",
)
def push_corrections(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A DICOMweb source of params.yaml, pacs.")],
    instances: Annotated[bool, typer.Option("--instances", help="Corrected copies of the pictures too.")] = False,
    really: Annotated[bool, typer.Option("--really", help="Send; without it, nothing is sent.")] = False,
    root: RootOption = None,
) -> None:
    """Send corrections to a PACS as structured reports, read each back and compare; a rerun sends what is missing."""
    layout, params = open_root(context, root)
    from dagster_project.corrections.push import push_corrections as push

    summary = push(layout, params, source, instances=instances, really=really)
    rows = [(kind, outcome, number) for (kind, outcome), number in sorted(summary.outcomes.items())]
    rows += [("–", reason, number) for reason, number in sorted(summary.left_out.items())]
    title = f"source {source}: " + ("sent" if really else "nothing was sent (dry run); with --really")
    show_table(title, ("object", "what becomes of it", "number"), rows)
    out.print(f"Every object sent so far, by its UIDs: {layout.pushed_list}")
    if summary.outdated:
        out.print(f"{summary.outdated} stored objects are no longer what reviewers say: `still_said` is False there.")
    if really and not summary.complete:
        out.print("Not everything is stored. The same command sends only what is missing.")
        raise typer.Exit(1)
