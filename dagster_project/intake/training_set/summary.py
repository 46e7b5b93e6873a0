"""The content of a training set, for the command line, Dagster, DVC metrics and the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dagster_project.intake.training_set.patient_links import CONTRADICTIONS, PatientLinks
from dagster_project.intake.training_set.split import EXCLUDED, SPLITS

log = logging.getLogger("raytruth")


@dataclass(frozen=True)
class TrainingSetSummary:
    """`refused`: batch -> reason; `small_classes`: class -> patients; `counts`: region by split;
    `excluded`: reason -> images; `metrics`: the DVC metrics. Linked patients count as one.
    """

    images: int
    patients: int
    refused: dict[str, str]
    small_classes: dict[str, int]
    near_duplicates: int
    counts: pd.DataFrame
    links: PatientLinks
    excluded: dict[str, int]
    metrics: dict[str, Any]

    def log_summary(self) -> None:
        """Log the linked patients, contradicted links and excluded images."""
        if len(linked := self.links.table):
            sizes = linked["patient_group"].value_counts()
            log.info(
                "%d patients are linked into %d groups, at most %d in one group: data/patient_links.parquet",
                *(len(linked), len(sizes), sizes.max()),
            )
        for kind, groups in self.links.contradictions.items():
            log.warning(
                "the %s contradicts the link in %d groups of linked patients, which stay on one side of the split: "
                "data/patient_links.parquet",
                *(CONTRADICTIONS[kind], groups),
            )
        for why, images in self.excluded.items():
            log.warning("%d images are excluded: %s", images, EXCLUDED[why])


def summarise(
    table: pd.DataFrame, refused: dict[str, str], small: dict[str, int], near_duplicates: int, links: PatientLinks
) -> TrainingSetSummary:
    """Summarise a training set."""
    counts = pd.crosstab(table["region"].fillna("(none)"), table["split"]).reindex(columns=list(SPLITS), fill_value=0)
    excluded = {str(why): int(n) for why, n in table["exclusion"].value_counts().sort_index().items() if why}
    patients = int(table["patient_group"].nunique())
    metrics = {
        "images": len(table),
        "patients": patients,
        "linked_patients": len(links.table),
        "contradicted_links": links.contradictions,
        "exclusion": excluded,
        "labelled": int(table["region"].notna().sum()),
        "near_duplicates": near_duplicates,
        "batches": int(table["batch"].nunique()),
        "images_by_split": {name: int((table["split"] == name).sum()) for name in SPLITS},
    }
    return TrainingSetSummary(len(table), patients, refused, small, near_duplicates, counts, links, excluded, metrics)
