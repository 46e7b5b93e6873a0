"""The command that sends corrections to the archive."""

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
    epilog="Example: raytruth push-corrections main, then the same with --send",
)
def push_corrections(
    context: typer.Context,
    source: Annotated[str | None, typer.Argument(help="A DICOMweb source in params.yaml, pacs.")] = None,
    with_corrected_images: Annotated[
        bool, typer.Option("--with-corrected-images", help="Add corrected copies of the images.")
    ] = False,
    send: Annotated[bool, typer.Option("--send", help="Send the objects. Without it, nothing is sent.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write DICOM files to this folder instead. Contains patient data.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Send corrections to a PACS as structured reports. Each is read back and compared; a rerun sends the rest."""
    if folder and send:
        raise typer.BadParameter("--out only writes files: leave --send out")
    if not (folder or source):
        raise typer.BadParameter("name a source of params.yaml, or a folder for files: --out FOLDER")
    opened = open_root(context, root)
    if folder:
        _write(opened, folder, source, with_corrected_images)
        return
    from dagster_project.label_quality.corrections.push import push_corrections as push

    summary = push(opened, source or "", with_images=with_corrected_images, send=send)
    title = f"source {source}: " + ("sent" if send else "nothing was sent (dry run); --send sends the objects")
    _show(title, summary)
    out.print(f"All objects sent so far, with their UIDs: {opened.paths.pushed_list}")
    if summary.outdated:
        out.print(f"{summary.outdated} stored objects no longer match the verdicts: their `still_current` is False.")
    if send and not summary.complete:
        out.print("Some objects are not stored yet. The same command sends only the missing ones.")
        raise typer.Exit(1)


def _write(root: Root, folder: Path, source: str | None, with_images: bool) -> None:
    from dagster_project.label_quality.corrections.write import write_corrections

    summary = write_corrections(root, folder, source, with_images=with_images)
    _show(f"folder {folder}: nothing was sent", summary)
    if not summary.complete:
        out.print("Some objects could not be written. The same command writes only the missing ones.")
        raise typer.Exit(1)


def _show(title: str, summary: PushSummary | WriteSummary) -> None:
    rows = [(kind, outcome, number) for (kind, outcome), number in sorted(summary.outcomes.items())]
    rows += [("–", reason, number) for reason, number in sorted(summary.left_out.items())]
    show_table(title, ("object", "outcome", "number"), rows)
