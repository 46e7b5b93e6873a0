"""Commands for wrong labels and their review."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table


@app.command("find-errors", rich_help_panel=LABELS, epilog="Example: raytruth find-errors")
def find_errors(context: typer.Context, root: RootOption = None) -> None:
    """Rank every image by the probability that its label is wrong."""
    opened = open_root(context, root)
    from dagster_project.label_quality.label_errors.find import find_label_errors

    summary = find_label_errors(opened)
    title = f"estimated share of wrong labels {summary.estimated_noise:.1%}"
    show_table(title, ("kind", "images"), summary.kinds.items())
    out.print(f"ranked list: {opened.paths.label_errors}")


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth worklist")
def worklist(context: typer.Context, root: RootOption = None) -> None:
    """Write the worklist for the review: cards of the most suspicious labels, with their images."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.worklist import build_worklist

    summary = build_worklist(opened)
    show_table(f"{summary.cards} cards; next: raytruth review", ("kind", "cards"), summary.kinds.items())


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth review --reviewer 'Dr A'")
def review(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to serve on. Connections from other machines are not encrypted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to serve on; 0: any free port.")] = 8765,
    reviewer: Annotated[str, typer.Option(help="Name of the reviewer. Without it, the page asks.")] = "",
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Review this number of random labelled images outside the worklist instead."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of --sample: another seed draws another sample.")] = 1,
    root: RootOption = None,
) -> None:
    """Serve the review page: print its address with a token, and record every answer at once. Ctrl-C stops it."""
    opened = open_root(context, root)
    from dagster_project.core.ledger import load_verdicts
    from dagster_project.label_quality.review.card_metadata import expected_errors_of, headers_of, with_card_metadata
    from dagster_project.label_quality.review.cards import load_sample, load_worklist
    from dagster_project.label_quality.review.original_images import open_original_images
    from dagster_project.label_quality.review.review_session import ReviewSession
    from dagster_project.label_quality.review.server import serve_review

    reviewed = load_verdicts(opened.paths)["image_id"]  # a broken ledger is an error here, not at the first answer
    regions = opened.taxonomy.regions
    if sample is None:
        worklist = load_worklist(opened.paths)
    elif (drawn := load_sample(opened.paths, sample, seed)) is not None:
        worklist = drawn
    else:
        from dagster_project.label_quality.review.random_sample import draw_sample  # torch takes seconds to import

        worklist = draw_sample(opened, sample, seed)
    headers = headers_of(opened.paths, worklist)
    originals = open_original_images(opened.paths, opened.settings.ingestion, headers)
    worklist = with_card_metadata(opened.paths, worklist, headers)
    expected = expected_errors_of(opened.paths, worklist, reviewed)
    session = ReviewSession(
        opened.paths,
        worklist,
        regions,
        opened.settings.review.second_reading,
        *expected,
        opened.settings.ingestion.clean,
    )
    serve_review(
        session, originals, host, port, reviewer, partial(out.print, soft_wrap=True, highlight=False, markup=False)
    )


class OtherTool(StrEnum):
    """The other tools for answers to the worklist."""

    csv = "csv"
    label_studio = "label-studio"


@app.command(
    "export-worklist", rich_help_panel=LABELS, epilog="Example: raytruth export-worklist out --to label-studio"
)
def export_worklist(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to create. It contains pseudonyms, no identities.")],
    to: Annotated[OtherTool, typer.Option(help="A CSV with the images, or a Label Studio project.")],
    root: RootOption = None,
) -> None:
    """Write the worklist for another tool. import-verdicts reads the answers."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.export_worklist import export_worklist as export

    regions = opened.taxonomy.regions
    out.print(f"{export(opened.paths, regions, folder, to.value)} cards in {folder}")


@app.command(
    "import-verdicts", rich_help_panel=LABELS, epilog="Example: raytruth import-verdicts v.csv --reviewer 'Dr A'"
)
def import_verdicts(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="CSV (image_id, verdict, region, at), or the JSON export of Label Studio (.json).")
    ],
    reviewer: Annotated[
        list[str],
        typer.Option(help="Name of the reviewer. Several in Label Studio: one 'ID=Name' each, by id or e-mail."),
    ],
    root: RootOption = None,
) -> None:
    """Import the answers of another tool into the ledger. A second import of the same file adds none."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.import_export import import_verdicts as take

    names = {who: name for who, _, name in (text.rpartition("=") for text in reviewer)}
    out.print(f"{take(opened, file, names)} new verdicts; next: raytruth build-training-set")


@app.command(
    "export-corrections", rich_help_panel=LABELS, epilog="Example: raytruth export-corrections corrections.csv"
)
def export_corrections(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV to write. Contains patient data: original UIDs.")],
    root: RootOption = None,
) -> None:
    """Write the corrections with the original UIDs, for the site's own use."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.import_export import export_corrections as export

    out.print(f"{export(opened, file)} corrections in {file}")
