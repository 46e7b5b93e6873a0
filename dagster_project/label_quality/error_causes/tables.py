"""The tables of the error causes."""

from __future__ import annotations

from dataclasses import replace

from dagster_project.core.tables import SHARE, Column, Table

ERROR_CAUSES = Table(
    "data/error_causes.parquet",
    "one row for each group with more wrong labels than comparable groups, the most significant first",
    (
        Column("cause", "string", "the finding in words"),
        Column("factor", "string", "what the group has in common, such as `station x header_region`"),
        Column("group", "string", "the values of the factor, such as `ROOM2 x shoulder`"),
        Column("equivalent_groups", "string", "other groups of the same images, with semicolons between"),
        Column("images", "int32", "size of the group", "images"),
        Column("patients", "int32", "number of patient groups in it", "patient groups"),
        Column("expected_errors", "float32", "sum of the error probabilities", "images"),
        Column("error_rate", "float32", "expected share of wrong labels in the group", SHARE, (0, 1)),
        Column("baseline_rate", "float32", "the same in comparable groups", SHARE, (0, 1)),
        Column("p_value", "float64", "probability of such a rate by chance", SHARE, (0, 1)),
        Column("q_value", "float64", "p_value adjusted for all tested groups; lower is surer", SHARE, (0, 1)),
        Column("given_region", "string", "the typical given label"),
        Column("shown_region", "string", "the typical region that the images show"),
        Column("typical_errors", "float32", "expected errors of this kind", "images"),
        Column("reviewed", "int32", "images that a reviewer decided", "images"),
        Column("found_wrong", "int32", "those whose label was wrong", "images"),
        Column("image_ids", "object", "the images, the most likely wrong first"),
    ),
    "error_causes",
    read_by=("review page",),
)
PRIVATE_ERROR_CAUSES = replace(
    ERROR_CAUSES,
    path="data/private/error_causes.parquet",
    description="the same for protocol texts and true months, which may identify a patient",
    read_by=("people",),
)
TABLES = (ERROR_CAUSES, PRIVATE_ERROR_CAUSES)
