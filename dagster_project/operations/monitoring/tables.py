"""The tables of predictions."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, SHARE, Column, Table

_REGION = Column("region", "string", "predicted region")
_CONFIDENCE = Column("confidence", "float32", "calibrated probability of this region; higher is surer", SHARE, (0, 1))
_OOD = Column(
    "ood_score",
    "float32",
    "share of held-out images that are less unlike the training images",
    SHARE,
    (0, 1),
)
_PROBABILITY = "calibrated probability of the region, 0 to 1"

PREDICTIONS = Table(
    "data/predictions/<batch>.parquet",
    "one row for each image of the batch, in the order of its headers",
    (
        Column("image_id", "string", "pseudonym of the image", PSEUDONYM),
        Column("patient", "string", "pseudonym of the patient", PSEUDONYM),
        _REGION,
        _CONFIDENCE,
        Column("member_agreement", "float32", "weight of the members that predict this region too", SHARE, (0, 1)),
        _OOD,
        Column("model_version", "string", "content hash of the champion", "64 hexadecimal digits"),
        Column("trained_on", "bool", "whether the champion's encoders or probes learned from the image"),
    ),
    "batch_predictions",
    for_each_region=_PROBABILITY,
)
FOLDER_PREDICTIONS = Table(
    "predictions.parquet",
    "one row for each radiograph of a folder; written where `--out` says, with original UIDs",
    (Column("sop_instance_uid", "string", "SOPInstanceUID"), _REGION, _CONFIDENCE, _OOD),
    written_by=("predict-folder",),
    read_by=("people",),
    for_each_region=_PROBABILITY,
)
TABLES = (PREDICTIONS, FOLDER_PREDICTIONS)
