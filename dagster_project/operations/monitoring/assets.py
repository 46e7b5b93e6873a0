"""`batch_predictions` and `drift_report`, one partition per batch."""

from dataclasses import asdict

import dagster as dg
import numpy as np
import pandas as pd

from dagster_project.core.dagster_helpers import BATCHES, ENGINEERS, as_counts, as_image, as_table, column_schema
from dagster_project.core.plotting import draw_montage
from dagster_project.intake.ingestion.batch.store import open_pixels
from dagster_project.intake.resources import RootResource
from dagster_project.operations.monitoring.tables import PREDICTIONS

_SHOWN = 16


@dg.asset(
    deps=["radiograph_headers", "radiograph_pixels", "champion"],
    partitions_def=BATCHES,
    metadata=column_schema(PREDICTIONS),
    group_name="monitoring",
    owners=[ENGINEERS],
    kinds={"pytorch", "parquet"},
)
def batch_predictions(context: dg.AssetExecutionContext, root: RootResource) -> dg.MaterializeResult:
    """The champion's prediction for every image of the batch."""
    from dagster_project.operations.monitoring.predict import predict_batch  # torch takes seconds to import

    paths, batch = root.paths, context.partition_key
    table = predict_batch(root.open(), batch)
    versions = root.commit("batch_predictions")
    unsure = np.argsort(table["confidence"].to_numpy())[:_SHOWN]
    image = paths.private / f"unsure-{batch}.png"
    captions = [
        f"{r}\n{c:.2f}" for r, c in zip(table["region"].iloc[unsure], table["confidence"].iloc[unsure], strict=True)
    ]
    draw_montage(image, open_pixels(paths, batch)[np.sort(unsure)][np.argsort(np.argsort(unsure))], captions)
    shown = as_image(image)
    image.unlink()
    return dg.MaterializeResult(
        data_version=versions.of(paths.predictions(batch)),
        metadata={
            "dagster/row_count": len(table),
            "predicted regions": as_counts(table["region"].value_counts().to_dict(), "region", "images"),
            "mean confidence": float(table["confidence"].mean()),
            "least confident": shown,
        },
    )


@dg.asset(
    deps=["batch_predictions"],
    partitions_def=BATCHES,
    group_name="monitoring",
    owners=[ENGINEERS],
    kinds={"evidently"},
)
def drift_report(context: dg.AssetExecutionContext, root: RootResource) -> dg.MaterializeResult:
    """Drift of the batch against the champion's reference images, by cause, with a page by Evidently."""
    from dagster_project.operations.monitoring.drift import measure_drift

    paths, batch = root.paths, context.partition_key
    drift = measure_drift(root.open(), batch)
    versions = root.commit("drift_report")
    page = paths.drift_page(batch)
    return dg.MaterializeResult(
        data_version=versions.of(paths.drift(batch)),
        metadata={
            "drifted": bool(drift.causes),
            "causes": ", ".join(drift.causes) or "none",
            "note": drift.note,
            "images compared": drift.images,
            "tests": as_table(pd.DataFrame([{**asdict(test), "drifted": test.drifted} for test in drift.tests])),
            **({"Evidently page": dg.MetadataValue.path(page)} if page.exists() else {}),
        },
    )
