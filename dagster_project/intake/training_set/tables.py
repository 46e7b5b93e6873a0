"""The tables of the training set."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, Column, Table, strings
from dagster_project.intake.privacy.metadata_columns import HEADER_COLUMNS, LABEL_STATES
from dagster_project.intake.training_set.split import EXCLUDED, SPLITS

_ASSET = "training_set"
_FROM_HEADERS = {column.name: column for column in HEADER_COLUMNS}
_PATIENT_GROUP = Column("patient_group", "string", "the first of the patients who are linked", PSEUDONYM)
_SPLIT = Column("split", "string", "side of the split", values=SPLITS)

TRAINING_SET = Table(
    "data/training_set.parquet",
    "one row for each image of the batches that passed, in the order of image_id",
    (
        *(_FROM_HEADERS[name] for name in ("image_id", "batch")),
        Column("row", "int32", "row of the image in the shard of its batch"),
        Column("image_hash", "string", "hash of the reduced image", "16 hexadecimal digits"),
        *(_FROM_HEADERS[name] for name in ("patient", "study")),
        _PATIENT_GROUP,
        Column("near_duplicate_group", "int32", "equal for images that are near-duplicates"),
        _SPLIT,
        Column("fold", "int8", "fold of the out-of-fold predictions; the same for all images of a patient group"),
        Column("region", "string", "the label that counts, a region class; none without a label of a class"),
        _FROM_HEADERS["header_region"],
        Column("reviewed", "bool", "whether a reviewer gave the label"),
        Column("label_status", "string", "what the label is", values=(*LABEL_STATES, "small_class", "out_of_domain")),
        Column("label_attribute", "string", "keyword of the attribute that gave the label, or `review`"),
        Column("label_rule", "string", "rule of the taxonomy that read the label, or `review`"),
        *(_FROM_HEADERS[name] for name in ("label_matched", "label_conflict", "label_conflict_region")),
        Column("exclusion", "string", "why the image is not used on its side of the split", values=("", *EXCLUDED)),
    ),
    _ASSET,
)
SPLIT_TABLE = Table(
    "data/splits.parquet",
    "one row for each patient ever seen; rows are only added, so a patient stays on one side",
    (_FROM_HEADERS["patient"], _SPLIT),
    _ASSET,
    read_by=("build-training-set",),
)
PATIENT_LINKS = Table(
    "data/patient_links.parquet",
    "one row for each patient of the training set who is linked with others",
    (
        _PATIENT_GROUP,
        _FROM_HEADERS["patient"],
        *strings(
            linked_by="kinds of evidence that link the patient, with semicolons between",
            contradicted_by="kinds of evidence against the link, with semicolons between",
        ),
    ),
    _ASSET,
    read_by=("people",),
)
TABLES = (TRAINING_SET, SPLIT_TABLE, PATIENT_LINKS)
