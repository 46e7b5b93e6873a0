"""The command that brings corrections back into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table

if TYPE_CHECKING:
    from dagster_project.intake.root import Root
    from dagster_project.label_quality.corrections.push import PushSummary
    from dagster_project.label_quality.corrections.write import WriteSummary


@app.command(
    "push-corrections",
    rich_help_panel=LABELS,
    epilog="Example: raytruth push-corrections main, and when that looks right, the same with --really",
)
def push_corrections(
    context: typer.Context,
    source: Annotated[str | None, typer.Argument(help="A DICOMweb source of params.yaml, pacs.")] = None,
    instances: Annotated[bool, typer.Option("--instances", help="Corrected copies of the images too.")] = False,
    really: Annotated[bool, typer.Option("--really", help="Send; without it, nothing is sent.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write DICOM files here instead; they hold identities, so mind where.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Send corrections to a PACS as structured reports, read each back and compare; a rerun sends what is missing."""
    if folder and really:
        raise typer.BadParameter("with --out nothing is sent: leave --really out")
    if not (folder or source):
        raise typer.BadParameter("name a source of params.yaml to send to, or a folder to write to: --out FOLDER")
    opened = open_root(context, root)
    if folder:
        _write(opened, folder, source, instances)
        return
    from dagster_project.label_quality.corrections.push import push_corrections as push

    summary = push(opened, source or "", instances=instances, really=really)
    title = f"source {source}: " + ("sent" if really else "nothing was sent (dry run); with --really")
    _show(title, summary)
    out.print(f"Every object sent so far, by its UIDs: {opened.paths.pushed_list}")
    if summary.outdated:
        out.print(f"{summary.outdated} stored objects are no longer what reviewers say: `still_said` is False there.")
    if really and not summary.complete:
        out.print("Not everything is stored. The same command sends only what is missing.")
        raise typer.Exit(1)


def _write(root: Root, folder: Path, source: str | None, instances: bool) -> None:
    from dagster_project.label_quality.corrections.write import write_corrections

    summary = write_corrections(root, folder, source, instances=instances)
    _show(f"folder {folder}: nothing was sent", summary)
    if not summary.complete:
        out.print("Not everything could be written. The same command writes only what is missing.")
        raise typer.Exit(1)


def _show(title: str, summary: PushSummary | WriteSummary) -> None:
    rows = [(kind, outcome, number) for (kind, outcome), number in sorted(summary.outcomes.items())]
    rows += [("–", reason, number) for reason, number in sorted(summary.left_out.items())]
    show_table(title, ("object", "what becomes of it", "number"), rows)
