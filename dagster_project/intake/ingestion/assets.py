"""`radiograph_headers` and `radiograph_pixels`: one ingestion creates and publishes both together."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from dagster_project.core.dagster_helpers import BATCHES, ENGINEERS, as_counts, as_image, as_table, column_schema
from dagster_project.core.plotting import draw_montage, evenly
from dagster_project.intake.ingestion.batch.batch_registry import registered_source
from dagster_project.intake.ingestion.batch.ingest import ingest
from dagster_project.intake.ingestion.batch.store import load_headers, open_pixels
from dagster_project.intake.ingestion.batch.tables import HEADERS
from dagster_project.intake.ingestion.headers.reasons import REASONS, verdict_of
from dagster_project.intake.privacy.deidentification_report import load_report
from dagster_project.intake.resources import RootResource

_SHOWN, _SIDE_STEP = 24, 2
INBOX = dg.AssetSpec(
    "inbox",
    description="Folders in `data/inbox/`, from a user or a PACS. Each folder becomes a batch.",
    group_name="ingestion",
    owners=[ENGINEERS],
    kinds={"dicom"},
)


@dg.multi_asset(
    name="radiographs",
    specs=[
        dg.AssetSpec(
            "radiograph_headers",
            deps=[INBOX],
            description="One pseudonymised row for each image, with the given label and its origin. Refused files go "
            "to the quarantine table with a reason code.",
            owners=[ENGINEERS],
            metadata=column_schema(HEADERS),
            kinds={"dicom", "parquet"},
        ),
        dg.AssetSpec(
            "radiograph_pixels",
            deps=["radiograph_headers"],
            description="One packed uint8 shard for each batch: aspect ratio kept, MONOCHROME1 inverted once, rows in "
            "the order of the headers.",
            owners=[ENGINEERS],
            kinds={"dicom", "numpy"},
        ),
    ],
    group_name="ingestion",
    partitions_def=BATCHES,
)
def radiographs(context: dg.AssetExecutionContext, root: RootResource) -> Iterator[dg.MaterializeResult]:
    """Ingest one batch from its registered source or from its folder in `data/inbox/`."""
    paths, batch = root.paths, context.partition_key
    summary = ingest(root.open(), registered_source(paths, batch), batch)
    versions = root.commit("radiographs")
    headers, shard, report = load_headers(paths, batch), open_pixels(paths, batch), load_report(paths, batch)
    yield dg.MaterializeResult(
        "radiograph_headers",
        data_version=versions.of(paths.headers(batch)),
        metadata={
            "dagster/row_count": summary.images,
            "files by verdict": as_counts(summary.verdicts, "verdict"),
            "files by reason": as_table(_explained(summary.reasons)),
            "labels": as_counts(headers["header_region"].fillna("(none)").value_counts().to_dict(), "region", "images"),
            "label states": as_counts(headers["label_status"].value_counts().to_dict(), "state", "images"),
            "attributes by action (PS3.15)": as_counts(report["attributes_by_action"], "action", "attributes"),
            "retained attributes": as_table(_not_removed(report["attributes"])),
            "unknown or private attributes (removed)": report["unknown_attributes"],
            "first rows": as_table(headers.head(10)),
            "seconds": summary.seconds,
        },
    )
    chosen = evenly(len(shard), _SHOWN)
    montage = paths.private / f"montage-{batch}.png"
    captions = headers["header_region"].fillna("no label").iloc[chosen].tolist()
    draw_montage(montage, shard[chosen][:, ::_SIDE_STEP, ::_SIDE_STEP], captions)
    yield dg.MaterializeResult(
        "radiograph_pixels",
        data_version=versions.of(paths.pixels(batch)),
        metadata={
            "images": len(shard),
            "image size (px)": shard.shape[1],
            "images with borders removed": int((headers["cropped"] > 0).sum()),
            "images with text masked": int((headers["text_masked"] > 0).sum()),
            "images with markers removed": int((headers["blanked"] > 0).sum()),
            "megabytes": round(shard.nbytes / 1e6, 1),
            "montage": as_image(montage),
        },
    )
    montage.unlink()


def _explained(reasons: dict[str, int]) -> pd.DataFrame:
    """Reasons of refused files first, then reasons of files that were used."""
    rows = [(verdict_of([code]), code, REASONS[code], files) for code, files in reasons.items()]
    order = {"quarantine": 0, "skip": 1}
    rows.sort(key=lambda row: (order.get(row[0], 2), -row[3], row[1]))
    return pd.DataFrame(rows, columns=["verdict", "reason", "meaning", "files"])


def _not_removed(attributes: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([a for a in attributes if a["action"] != "removed"])
