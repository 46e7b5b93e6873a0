"""Commands from DICOM files to a training set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dagster_project.cli.common import (
    IMAGES,
    BatchArgument,
    RootOption,
    app,
    chosen_batches,
    open_root,
    out,
    show_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable


@app.command(rich_help_panel=IMAGES, epilog="Example: raytruth ingest /mnt/export/2026-11 --batch 2026-11")
def ingest(
    context: typer.Context,
    source: Annotated[
        Path | None, typer.Argument(help="Folder with DICOM files. Without it: all registered batches.")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="Name of the batch. Without it: the next free name.")] = None,
    root: RootOption = None,
) -> None:
    """Read DICOM files into pseudonymised tables and packed images."""
    opened = open_root(context, root)
    if source is None:
        from dagster_project.intake.ingestion.batch.ingest import ingest_registered

        summaries = ingest_registered(opened)
    else:
        from dagster_project.intake.ingestion.batch.batch_registry import batch_name_for
        from dagster_project.intake.ingestion.batch.ingest import ingest as ingest_batch

        summaries = [ingest_batch(opened, source, batch or batch_name_for(opened.paths, source))]
    for summary in summaries:
        title = f"batch {summary.batch}: {summary.images} images"
        verdicts = [("verdict", *item) for item in summary.verdicts.items()]
        show_table(
            title,
            ("", "verdict or reason", "files"),
            [*verdicts, *(("reason", *item) for item in summary.reasons.items())],
        )


@app.command(rich_help_panel=IMAGES, epilog="Example: raytruth validate 2026-11")
def validate(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Check header tables with Great Expectations and write Data Docs."""
    opened = open_root(context, root)
    from dagster_project.intake.validation.validate import validate as validate_batch

    for name in chosen_batches(opened.paths, batch):
        result = validate_batch(opened, name)
        failed = [c for c in result.checks if not c.passed]
        title = f"batch {name}: {len(result.checks) - len(failed)} of {len(result.checks)} checks passed"
        show_table(title, ("failed check", "blocking", "failing rows", "description"), _failed_rows(failed))
    out.print(f"Data Docs: {opened.paths.data_docs}")


def _failed_rows(failed: Iterable[object]) -> list[tuple[object, ...]]:
    return [(c.name, c.blocking, c.unexpected, c.says) for c in failed]  # type: ignore[attr-defined]


@app.command("correct-labels", rich_help_panel=IMAGES, epilog="Example: raytruth correct-labels")
def correct_labels(context: typer.Context, root: RootOption = None) -> None:
    """Write the corrected labels from the ledger of verdicts."""
    opened = open_root(context, root)
    from dagster_project.core.ledger import update_corrected_labels
    from dagster_project.intake.training_set.region_remap import remap_regions

    corrected = update_corrected_labels(opened.paths)
    out.print(f"{len(corrected)} images have a verdict")
    regions = opened.taxonomy.regions
    _, effect = remap_regions(corrected, opened.settings.training_set.region_map, regions)
    if effect:
        rows = [(old, new, images) for (old, new), images in effect.items()]
        show_table(
            "changed by region_map, in training and in corrections", ("old region", "new region", "images"), rows
        )


@app.command("build-training-set", rich_help_panel=IMAGES, epilog="Example: raytruth build-training-set")
def training_set(context: typer.Context, root: RootOption = None) -> None:
    """Build the training set: labels, near-duplicates, linked patients, split by patient."""
    opened = open_root(context, root)
    from dagster_project.intake.training_set.build import build_training_set

    summary = build_training_set(opened)
    rows = [(region, *counts) for region, counts in zip(summary.counts.index, summary.counts.to_numpy(), strict=True)]
    title = f"{summary.images} images of {summary.patients} patients, {summary.near_duplicates} near-duplicate pairs"
    show_table(title, ("region", *summary.counts.columns), rows)
    if len(links := summary.links.table):
        contradicted = int((links["contradicted_by"] != "").sum())
        out.print(
            f"{len(links)} patients are linked to {links['patient_group'].nunique()}; other header values contradict "
            f"{contradicted} of these links: {opened.paths.patient_links}"
        )
