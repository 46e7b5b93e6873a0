"""Each image's region for training: what reviewers said, else what the header said."""

from __future__ import annotations

import logging

import pandas as pd

from dagster_project.core.errors import RayTruthError

log = logging.getLogger("raytruth")


def apply_corrections(table: pd.DataFrame, corrected: pd.DataFrame) -> pd.DataFrame:
    """Put reviewers' labels in the place of given ones; `label_attribute` and `label_rule` then say `review`.

    `table` has one row an image with the label columns of the headers, `header_region` kept beside `region`. Verdicts
    on images that are not in it, since their batch is gone or barred, wait until they are; how many is logged.
    """
    out = table.assign(region=table["header_region"], reviewed=False)
    said = corrected.set_index("image_id").reindex(out["image_id"]).reset_index(drop=True)
    said.index = out.index
    reviewed = said["verdict"].notna()
    if gone := len(corrected) - int(reviewed.sum()):
        log.warning("%d verdicts are about images that are in no batch of this training set; they are kept", gone)
    out.loc[reviewed, "region"] = said.loc[reviewed, "region"].replace("", None)
    out.loc[reviewed, "reviewed"] = True
    out.loc[reviewed, ["label_attribute", "label_rule"]] = "review"
    out.loc[reviewed, "label_status"] = "region"
    out.loc[said["verdict"] == "out_of_domain", "label_status"] = "out_of_domain"
    return out


def drop_small_classes(table: pd.DataFrame, min_patients: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Take the label off images whose class has fewer than `min_patients` patients; name these classes.

    Linked patients, who share a `group`, count as one. Returns the table and {class: its number of patients}.
    Raises RayTruthError if fewer than two classes remain.
    """
    patients = table.dropna(subset="region").groupby("region")["patient_group"].nunique()
    small = {str(region): int(count) for region, count in patients[patients < min_patients].items()}
    kept = patients.index.difference(pd.Index(list(small)))
    if len(kept) < 2:
        raise RayTruthError(
            f"Only {len(kept)} region class(es) have {min_patients} patients (linked ones are one) or more"
            + (f" ({', '.join(kept)})" if len(kept) else "")
            + (f"; too small: {_counts(small)}" if small else "")
            + "; telling regions apart takes two",
            where="the labels of all validated batches",
            do="ingest more batches, or check regions.yaml against the labels (quarantine table: unmapped_label)",
        )
    if small:
        log.warning(
            "classes with fewer than %d patients (linked ones are one) are left out: %s", min_patients, _counts(small)
        )
    out = table.copy()
    left_out = out["region"].isin(list(small))
    out.loc[left_out, "label_status"] = "small_class"
    out.loc[left_out, "region"] = None
    return out, small


def _counts(classes: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in sorted(classes.items()))
