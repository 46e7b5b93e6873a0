"""Commands for a PACS: fetch from it, or receive from it."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import typer

from dagster_project.cli.common import IMAGES, RootOption, app, open_root, out, show_table
from dagster_project.core.errors import RayTruthError


@app.command(rich_help_panel=IMAGES, epilog="Example: raytruth --root /data/raytruth pull main")
def pull(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="A source in params.yaml, pacs. Without it: all sources.")
    ] = None,
    refetch: Annotated[
        typer.FileText | None,
        typer.Option(
            encoding="utf-8-sig",
            errors="replace",
            help="File with Study Instance UIDs, one per line ('-': standard input), to fetch again from the source.",
        ),
    ] = None,
    root: RootOption = None,
) -> None:
    """Fetch new radiographs from a PACS (DICOMweb or DIMSE) into the inbox, as a batch."""
    opened = open_root(context, root)
    if refetch:
        if not source:
            raise RayTruthError("No source is named", where="--refetch", do="name the source too")
        from dagster_project.intake.pacs.refetch import refetch_studies

        refetched = refetch_studies(opened, source, refetch)
        batch = f"batch {refetched.batch} in data/inbox/" if refetched.batch else "no new batch"
        show_table(f"source {source}: {batch}", ("outcome", "number"), refetched.outcomes.items())
        return
    from dagster_project.intake.pacs.pull import pull as pull_once

    for name in [source] if source else sorted(opened.settings.pacs.sources):
        pulled = pull_once(opened, name)
        batch = f"batch {pulled.batch} in data/inbox/" if pulled.batch else "no batch"
        rows = [*pulled.outcomes.items(), ("studies checked", pulled.studies), ("studies waiting", pulled.waiting)]
        show_table(f"source {name}: {batch}", ("outcome", "number"), rows)
    if not source and not opened.settings.pacs.sources:
        out.print("No source is named in params.yaml, pacs.")


@app.command(rich_help_panel=IMAGES, epilog="Example: raytruth --root /data/raytruth receive")
def receive(context: typer.Context, root: RootOption = None) -> None:
    """Receive radiographs that a PACS or a modality sends (C-STORE), until stopped. A pause closes a batch."""
    opened = open_root(context, root)
    from dagster_project.intake.pacs.receive import receive as receive_until

    settings = opened.settings.pacs.receive
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    listening = f"{settings.ae_title} listens at {settings.address}, port {settings.port}. Stop it with Ctrl-C."
    receive_until(opened.paths, opened.settings.pacs, stop, lambda: out.print(listening, highlight=False))
