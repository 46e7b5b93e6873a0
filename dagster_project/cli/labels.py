"""Commands for wrong labels and what reviewers say of them."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import LABELS, RootOption, app, open_root, out, show_table


@app.command("find-errors", rich_help_panel=LABELS, epilog="Example: raytruth find-errors")
def find_errors(context: typer.Context, root: RootOption = None) -> None:
    """Rank every image by how likely its label is wrong."""
    opened = open_root(context, root)
    from dagster_project.label_quality.label_errors.find import find_label_errors

    summary = find_label_errors(opened)
    title = f"estimated share of wrong labels {summary.estimated_noise:.1%}"
    show_table(title, ("kind", "images"), summary.kinds.items())
    out.print(f"ranked: {opened.paths.label_errors}")


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth worklist")
def worklist(context: typer.Context, root: RootOption = None) -> None:
    """Make the list that reviewers work through: cards of suspicious labels, with their images."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.worklist import build_worklist

    summary = build_worklist(opened)
    show_table(f"{summary.cards} cards; next: raytruth review", ("kind", "cards"), summary.kinds.items())


@app.command(rich_help_panel=LABELS, epilog="Example: raytruth review --reviewer 'Dr A'")
def review(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to serve on; anything else than this machine is not encrypted.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 8765,
    reviewer: Annotated[str, typer.Option(help="Who answers; without it, the page asks.")] = "",
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of the list, so many labelled images drawn from what it leaves out."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of --sample: another number makes another draw.")] = 1,
    root: RootOption = None,
) -> None:
    """Serve the review page: prints its address with a token, records every answer at once, stops with Ctrl-C."""
    opened = open_root(context, root)
    from dagster_project.core.ledger import load_verdicts
    from dagster_project.label_quality.review.card_metadata import expected_errors_of, headers_of, with_facts
    from dagster_project.label_quality.review.cards import load_sample, load_worklist
    from dagster_project.label_quality.review.original_images import open_originals
    from dagster_project.label_quality.review.review_session import Desk
    from dagster_project.label_quality.review.server import serve_review

    read = load_verdicts(opened.paths)["image_id"]  # a broken ledger is said here, not at the first answer
    regions = opened.taxonomy.regions
    if sample is None:
        worklist = load_worklist(opened.paths)
    elif (drawn := load_sample(opened.paths, sample, seed)) is not None:
        worklist = drawn
    else:
        from dagster_project.label_quality.review.random_sample import draw_sample  # torch takes seconds to import

        worklist = draw_sample(opened, sample, seed)
    headers = headers_of(opened.paths, worklist)
    originals = open_originals(opened.paths, opened.settings.ingestion, headers)
    worklist = with_facts(opened.paths, worklist, headers)
    expected = expected_errors_of(opened.paths, worklist, read)
    desk = Desk(
        opened.paths,
        worklist,
        regions,
        opened.settings.review.second_reading,
        *expected,
        opened.settings.ingestion.clean,
    )
    serve_review(
        desk, originals, host, port, reviewer, partial(out.print, soft_wrap=True, highlight=False, markup=False)
    )


class OtherTool(StrEnum):
    """What the worklist can be answered with besides the page."""

    csv = "csv"
    label_studio = "label-studio"


@app.command(
    "export-worklist", rich_help_panel=LABELS, epilog="Example: raytruth export-worklist out --to label-studio"
)
def export_worklist(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to make; pseudonyms only, no identities.")],
    to: Annotated[OtherTool, typer.Option(help="A spreadsheet and its images, or a Label Studio project.")],
    root: RootOption = None,
) -> None:
    """Write the worklist for another tool; its answers come back by import-verdicts."""
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
        Path, typer.Argument(help="CSV (image_id, verdict, region, at), or Label Studio's JSON export (.json).")
    ],
    reviewer: Annotated[
        list[str], typer.Option(help="Who answered; for several in Label Studio each as 'ID=Name', by id or e-mail.")
    ],
    root: RootOption = None,
) -> None:
    """Take answers given with another tool into the ledger; the same file again adds none."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.import_export import import_verdicts as take

    names = {who: name for who, _, name in (said.rpartition("=") for said in reviewer)}
    out.print(f"{take(opened, file, names)} new verdicts; next: raytruth split")


@app.command(
    "export-corrections", rich_help_panel=LABELS, epilog="Example: raytruth export-corrections corrections.csv"
)
def export_corrections(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV to write; it holds original UIDs, so mind where.")],
    root: RootOption = None,
) -> None:
    """Write corrected labels with original UIDs, for the site's own use."""
    opened = open_root(context, root)
    from dagster_project.label_quality.review.import_export import export_corrections as export

    out.print(f"{export(opened, file)} corrections in {file}")
