"""The tables of the label errors."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, SHARE, Column, Table

_ASSET = "label_errors"
_IMAGE = Column("image_id", "string", "pseudonym of the image", PSEUDONYM)
# What an image is flagged for; `none` is no flag.
KINDS = ("wrong_label", "out_of_domain", "missing_label", "near_duplicate", "two_regions", "none")

LABEL_ERRORS = Table(
    "data/label_errors.parquet",
    "one row for each image of the training set, in the order of rank",
    (
        _IMAGE,
        Column("given_region", "string", "the label that is judged; none if there is no label of a class"),
        Column("proposed_region", "string", "the region that the models propose; empty for none of the regions"),
        Column("rank", "int32", "1 is the label most likely wrong"),
        Column("kind", "string", "what the image is flagged for", values=KINDS),
        Column(
            "error_probability", "float64", "probability that the label is wrong; higher is more likely", SHARE, (0, 1)
        ),
        Column(
            "visible_regions",
            "string",
            "regions that the image shows, as `region:probability`, the most probable first, with semicolons; from 0.1",
        ),
        Column("confidence", "float32", "probability of the proposed region; higher is surer", SHARE, (0, 1)),
        Column("neighbourhood_noise", "float32", "share of images with fewer wrong labels around them", SHARE, (0, 1)),
        Column(
            "model_agreement", "float32", "share of the out-of-fold models that put the proposal first", SHARE, (0, 1)
        ),
        Column(
            "neighbour_agreement", "float32", "share of the neighbours with the same label; none without", SHARE, (0, 1)
        ),
    ),
    _ASSET,
)
OOF_PREDICTIONS = Table(
    "data/oof_predictions.parquet",
    "one row for each image and out-of-fold model: a model that did not see the image's label",
    (_IMAGE, Column("oof_model", "string", "the model")),
    _ASSET,
    read_by=("explain", "review page"),
    for_each_region="probability of the region, 0 to 1",
)
TABLES = (LABEL_ERRORS, OOF_PREDICTIONS)
