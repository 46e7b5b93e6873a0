"""The table of turned and inverted images."""

from __future__ import annotations

from dagster_project.core.tables import PSEUDONYM, SHARE, Column, Table
from dagster_project.intake.ingestion.pixels.turning import TURNS

# What an image is shown as; '' is upright and not inverted.
_WORDS = tuple(f"turned by {degrees}°" for degrees in TURNS[1:])
FINDINGS = ("", *_WORDS, "inverted", *(f"{words}, inverted" for words in _WORDS))
TURNED = tuple(f"turned_{degrees}" for degrees in TURNS[1:])  # columns

ORIENTATION = Table(
    "data/orientation.parquet",
    "one row for each image of the training set, in its order; none without a plugged-in encoder. The probes that give "
    "the probabilities have not seen the image or its patient",
    (
        Column("image_id", "string", "pseudonym of the image", PSEUDONYM),
        *(
            Column(name, "float32", f"probability that the image is turned by {degrees}° clockwise", SHARE, (0, 1))
            for name, degrees in zip(TURNED, TURNS[1:], strict=True)
        ),
        Column("inverted", "float32", "probability that black and white are exchanged", SHARE, (0, 1)),
        Column("finding", "string", "what the image is shown as", values=FINDINGS),
    ),
    "orientation",
    read_by=("evaluate", "find-errors", "review page"),
)
TABLES = (ORIENTATION,)


def finding_of(turn: int, inverted: bool) -> str:
    """The words for a turn (degrees clockwise) and an inversion; one of FINDINGS."""
    return ", ".join([f"turned by {turn}°"] * bool(turn) + ["inverted"] * inverted)
