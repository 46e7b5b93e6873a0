"""Each image's region for training: the reviewer's label if there is one, otherwise the header's label."""

from __future__ import annotations

import logging

import pandas as pd

from dagster_project.core.errors import RayTruthError

log = logging.getLogger("raytruth")


def apply_corrections(table: pd.DataFrame, corrected: pd.DataFrame) -> pd.DataFrame:
    """Replace given labels by reviewers' labels, and set `label_attribute` and `label_rule` to `review`.

    `table` has one row for each image with the label columns of the headers; the result keeps `header_region` and adds
    `region`. Verdicts on images that are not in `table`, because their batch is removed or refused, are kept for later;
    their number is logged.
    """
    out = table.assign(region=table["header_region"], reviewed=False)
    verdicts = corrected.set_index("image_id").reindex(out["image_id"]).reset_index(drop=True)
    verdicts.index = out.index
    reviewed = verdicts["verdict"].notna()
    if gone := len(corrected) - int(reviewed.sum()):
        log.warning(
            "%d verdicts are about images that are in no batch of this training set; these verdicts are kept", gone
        )
    out.loc[reviewed, "region"] = verdicts.loc[reviewed, "region"].replace("", None)
    out.loc[reviewed, "reviewed"] = True
    out.loc[reviewed, ["label_attribute", "label_rule"]] = "review"
    out.loc[reviewed, "label_status"] = "region"
    out.loc[verdicts["verdict"] == "out_of_domain", "label_status"] = "out_of_domain"
    return out


def drop_small_classes(table: pd.DataFrame, min_patients: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Remove the labels of classes with fewer than `min_patients` patients, and name these classes.

    Linked patients (same `patient_group`) count as one. Returns the table, and the number of patients of each class.
    Raises RayTruthError if fewer than two classes remain.
    """
    patients = table.dropna(subset="region").groupby("region")["patient_group"].nunique()
    small = {str(region): int(count) for region, count in patients[patients < min_patients].items()}
    kept = patients.index.difference(pd.Index(list(small)))
    if len(kept) < 2:
        raise RayTruthError(
            f"Only {len(kept)} region class(es) have at least {min_patients} patients (linked patients count as one)"
            + (f" ({', '.join(kept)})" if len(kept) else "")
            + (f"; too small: {_counts(small)}" if small else "")
            + "; two are needed",
            where="the labels of all validated batches",
            do="ingest more batches, or check regions.yaml against the labels (quarantine table: unmapped_label)",
        )
    if small:
        log.warning(
            "classes with fewer than %d patients (linked patients count as one) are left out: %s",
            min_patients,
            _counts(small),
        )
    out = table.copy()
    left_out = out["region"].isin(list(small))
    out.loc[left_out, "label_status"] = "small_class"
    out.loc[left_out, "region"] = None
    return out, small


def _counts(classes: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(classes.items()))
