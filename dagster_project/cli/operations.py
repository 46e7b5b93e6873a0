"""Commands for new images: predictions and drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dagster_project.cli.common import DAILY, BatchArgument, RootOption, app, chosen_batches, open_root, show_table


@app.command(rich_help_panel=DAILY, epilog="Example: raytruth predict 2026-12")
def predict(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Predict ingested batches with the champion."""
    opened = open_root(context, root)
    from dagster_project.operations.monitoring.predict import predict_batch

    for name in chosen_batches(opened.paths, batch):
        table = predict_batch(opened, name)
        show_table(f"batch {name}: predicted", ("region", "images"), table["region"].value_counts().items())


@app.command(rich_help_panel=DAILY, epilog="Example: raytruth monitor 2026-12")
def monitor(context: typer.Context, batch: BatchArgument = None, root: RootOption = None) -> None:
    """Measure the drift of batches against the champion's reference images, by cause."""
    opened = open_root(context, root)
    from dagster_project.operations.monitoring.drift import measure_drift

    for name in chosen_batches(opened.paths, batch):
        drift = measure_drift(opened, name)
        rows = [
            (t.cause, t.column, f"{t.value:.3f}", f"{max(t.threshold, t.floor):.3f}", t.drifted) for t in drift.tests
        ]
        verdict = drift.note or ("drift: " + ", ".join(drift.causes) if drift.causes else "no drift")
        show_table(f"batch {name}: {verdict}", ("cause", "column", "distance", "threshold", "drifted"), rows)


@app.command(
    "predict-folder",
    rich_help_panel=DAILY,
    epilog="Example: raytruth predict-folder /mnt/export/new --out predictions.parquet",
)
def predict_folder(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="Folder with DICOM files, any number of them.")],
    predictions: Annotated[Path, typer.Option("--out", help="Table to write. Contains patient data: original UIDs.")],
    model: Annotated[
        Path | None, typer.Option(help="An exported model.onnx. Without it: the champion in torch.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Predict any folder of DICOM files with the champion, for the site's own use."""
    opened = open_root(context, root)
    from dagster_project.operations.monitoring.predict_folder import predict_folder as predict_all

    summary = predict_all(opened, source, predictions, model)
    show_table(f"{summary.images} images: {predictions}", ("region", "images"), summary.regions.items())
    if summary.left_out:
        show_table("left out", ("reason", "files"), summary.left_out.items())
