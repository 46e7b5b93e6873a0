"""The tables of test predictions."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, SHARE, Column, Table

_COLUMNS = (
    Column("image_id", "string", "pseudonym of the test image", PSEUDONYM),
    Column("model", "string", "the encoder whose probe predicts, or the combination of encoders"),
    Column("fraction", "float64", "share of the training labels that the probe learned from", SHARE, (0, 1)),
    Column("repeat", "int64", "number of the random draw of these labels, from 0"),
    Column("region", "string", "predicted region"),
    Column("confidence", "float32", "probability of this region", SHARE, (0, 1)),
)
PROBE_PREDICTIONS = Table(
    "data/test_predictions/linear_evaluation.parquet",
    "one row for each test image, encoder, share of labels and draw",
    _COLUMNS,
    "linear_evaluation",
    read_by=("reviewed-accuracy",),
)
ENSEMBLE_PREDICTIONS = Table(
    "data/test_predictions/ensemble.parquet",
    "one row for each test image, combination of encoders, share of labels and draw",
    _COLUMNS,
    "ensemble",
    read_by=("reviewed-accuracy",),
)
TABLES = (PROBE_PREDICTIONS, ENSEMBLE_PREDICTIONS)
