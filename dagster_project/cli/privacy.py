"""The command that searches outputs for identities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import ROOTS, BatchArgument, RootOption, app, chosen_batches, open_root, out, show_table


@app.command(
    "scan-identities", rich_help_panel=ROOTS, epilog="Example: raytruth scan-identities --also /var/log/dagster"
)
def scan_identities(
    context: typer.Context,
    batch: BatchArgument = None,
    also: Annotated[
        list[Path] | None, typer.Option(help="A file or folder outside the root to search too; may be repeated.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Search all files written under the root for names, IDs, UIDs and paths of patients.

    Prints the place, never the value. Exit status 1: something was found or could not be read.
    """
    paths = open_root(context, root).paths
    from dagster_project.intake.privacy.scan import scan

    result = scan(paths, chosen_batches(paths, batch), also or [])
    out.print(f"{result.identities} identities searched for in {result.files} files, {result.bytes / 1e6:.0f} MB")
    if result.left_out:
        show_table("not searched for", ("identities", "number"), result.left_out.items())
    if result.unread:
        show_table("could not be read", ("place",), [(place,) for place in result.unread])
    if result.finds:
        show_table("FOUND", ("batch", "place", "kind", "times"), [tuple(vars(f).values()) for f in result.finds])
    out.print("nothing found" if result.clean else "[bold red]not clean[/]")
    raise typer.Exit(0 if result.clean else 1)
