"""The tables of the verdicts."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, Column, Table, strings
from dagster_project.core.verdict_kinds import VerdictKind

_IMAGE = Column("image_id", "string", "pseudonym of the image", PSEUDONYM)
_VERDICT = Column("verdict", "string", "kind of verdict", values=tuple(VerdictKind))
_REGION = Column("region", "string", "the right region of a wrong label, the second of two regions, else empty")
_GIVEN = Column("given_region", "string", "the label that was judged; empty if there was none")
_REVIEWER = Column("reviewer", "string", "the reviewer")
_AT = Column("at", "string", "time of the verdict, ISO 8601 in UTC")

VERDICTS = Table(
    "data/verdicts.parquet",
    "one row for each verdict and retraction, oldest first; rows are only added",
    (
        _IMAGE,
        _VERDICT,
        _REGION,
        _GIVEN,
        Column("proposed_region", "string", "the proposed region on the card"),
        _REVIEWER,
        *strings(
            model_version="content hash of the models behind the card",
            data_version="content hash of the data behind the card",
        ),
        _AT,
        Column("verdict_id", "string", "identifies the verdict", "32 hexadecimal digits"),
        *strings(
            retracts="the verdict_id that a retraction takes back",
            sample="the random sample of the image; empty for the ranked list",
            schema="schema version of the entry",
            previous_hash="entry_hash of the entry before",
            entry_hash="SHA-256 of the entry and previous_hash",
        ),
    ),
    written_by=("review", "import-verdicts"),
    read_by=("correct-labels", "find-causes", "review-budget", "reviewed-accuracy", "ledger"),
)
CORRECTED_LABELS = Table(
    "data/corrected_labels.parquet",
    "one row for each image with a verdict that decides: the latest",
    (_IMAGE, _VERDICT, _REGION, _GIVEN, _REVIEWER, _AT),
    "corrected_labels",
)
TABLES = (VERDICTS, CORRECTED_LABELS)
