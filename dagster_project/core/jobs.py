"""The names of the Dagster jobs; `pipeline.py` lists the stages of each job."""

from __future__ import annotations

INGEST_BATCH, LEARN, MONITOR_BATCH = "ingest_batch", "learn", "monitor_batch"
JOBS = {
    INGEST_BATCH: "Ingest and validate one batch.",
    LEARN: "Train on all batches that passed and on all verdicts; the gate decides on promotion.",
    MONITOR_BATCH: "Predict one batch with the champion and measure its drift.",
}
