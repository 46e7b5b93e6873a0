"""The table that causes are mined from: each labelled image, the probability that its label is wrong, its factors."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.ledger import correct_labels, load_verdicts
from dagster_project.core.paths import Paths
from dagster_project.core.verdict_kinds import ERRORS
from dagster_project.intake.ingestion.batch.store import load_headers
from dagster_project.intake.ingestion.headers.pseudonyms import load_pseudonyms
from dagster_project.intake.training_set.build import load_training_set
from dagster_project.label_quality.error_causes.groups import GIVEN, SHOWN

log = logging.getLogger("raytruth")
FACTORS = ("station", "device", "batch", "attribute", "word", GIVEN)
PAIRS = (
    *((factor, GIVEN) for factor in ("station", "device", "batch", "attribute")),
    ("attribute", "station"),
    ("batch", "station"),
)
# Texts and true dates may identify a patient: causes that name them stay in data/private.
PRIVATE_FACTORS = ("protocol", "month")
PRIVATE_PAIRS = (("protocol", GIVEN), ("protocol", "station"), ("month", "station"))
_UNKNOWN = "(withheld)"  # the ingestion writes this for a device text that repeats an identity
_HEADER = [
    *("image_id", "batch", "patient", "station", "manufacturer", "model", "study_date_shifted"),
    *("header_region", "label_attribute", "label_matched"),
]


def error_evidence(paths: Paths, ranked: pd.DataFrame) -> pd.DataFrame:
    """One row for each image whose header names a region, as `Images` takes it, with FACTORS.

    Further columns: image_id; patient (pseudonym) and day (shifted); SHOWN, the reviewer's region, else the proposed
    region, '' for none of the regions; reviewed, whether a reviewer decided. `probability` is 1 or 0 where a reviewer
    found the label wrong or right, else that of the ranked list.
    """
    training = load_training_set(paths)[["image_id", "patient_group", "batch"]]
    headers = pd.concat([load_headers(paths, str(batch))[_HEADER] for batch in training["batch"].unique()])
    flags = ranked.assign(probability=ranked["error_probability"])[["image_id", "proposed_region", "probability"]]
    table = training.merge(headers, on=["image_id", "batch"]).merge(flags, on="image_id", validate="one_to_one")
    table = table[table["header_region"].notna()].reset_index(drop=True)
    corrected = correct_labels(load_verdicts(paths)).set_index("image_id").reindex(table["image_id"])
    reviewed, wrong = corrected["verdict"].notna().to_numpy(), corrected["verdict"].isin(ERRORS).to_numpy()
    shown = np.where(reviewed, corrected["region"].to_numpy(object), table["proposed_region"].to_numpy(object))
    table = table.replace({"station": _UNKNOWN, "manufacturer": _UNKNOWN, "model": _UNKNOWN}, "")
    device = table[["manufacturer", "model"]].fillna("").agg(" ".join, axis=1).str.strip()
    return pd.DataFrame(
        {
            "image_id": table["image_id"],
            "patient_group": table["patient_group"],
            "patient": table["patient"],
            "day": table["study_date_shifted"],
            "probability": np.where(reviewed, wrong.astype(float), table["probability"].to_numpy(float)),
            "reviewed": reviewed,
            SHOWN: shown,
            GIVEN: table["header_region"],
            "station": table["station"].fillna(""),
            "device": device,
            "batch": table["batch"],
            "attribute": table["label_attribute"].fillna(""),
            "word": (table["label_attribute"] + ": " + table["label_matched"]).fillna(""),
        }
    )


def with_private_factors(paths: Paths, table: pd.DataFrame) -> pd.DataFrame | None:
    """`table` with the protocol text and the true month, for `data/private` only; None if that folder is not here."""
    if not (paths.label_texts.exists() and paths.pseudonym_key.exists()):
        log.info("error causes: protocols and months are left out, because data/private is not here")
        return None
    texts = read_table(paths.label_texts)
    texts = texts[texts["attribute"] == "ProtocolName"].drop_duplicates("image_id")
    protocol = table[["image_id"]].merge(texts, on="image_id", how="left")["text"].fillna("")
    days = load_pseudonyms(paths.pseudonym_key)
    month = [
        f"{days.unshifted(who, day.date()):%Y-%m}" if pd.notna(day) else ""
        for who, day in zip(table["patient"], table["day"], strict=True)
    ]
    return table.assign(protocol=protocol.str.split().str.join(" ").str.casefold().to_numpy(object), month=month)
