"""What causes are mined from: each labelled image with how likely its label is wrong, and what it has in common."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from dagster_project.core.atomic_io import read_table
from dagster_project.core.ledger import correct_labels, load_verdicts
from dagster_project.core.paths import Paths
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
# Texts and true dates may identify somebody: what is found among them stays in data/private.
PRIVATE_FACTORS = ("protocol", "month")
PRIVATE_PAIRS = (("protocol", GIVEN), ("protocol", "station"), ("month", "station"))
_UNKNOWN = "(withheld)"  # what the ingestion writes for a device text that repeats an identity
_WRONG = ("wrong_label", "out_of_domain")
_HEADER = [
    *("image_id", "batch", "patient", "station", "manufacturer", "model", "study_date_shifted"),
    *("label_region", "label_attribute", "label_matched"),
]


def error_evidence(paths: Paths, ranked: pd.DataFrame) -> pd.DataFrame:
    """One row an image whose header names a region, as `Images` takes it, with FACTORS.

    Columns beside: image_id; pseudonym and day (shifted); SHOWN, the reviewer's region, else the proposed one, '' for
    none of the regions; read, whether a reviewer decided. `probability` is 1 or 0 where a reviewer found it wrong
    or right, else the ranked list's.
    """
    training = load_training_set(paths)[["image_id", "group", "batch"]]
    headers = pd.concat([load_headers(paths, str(batch))[_HEADER] for batch in training["batch"].unique()])
    judged = ranked.assign(probability=ranked["error_probability"])[["image_id", "suggested_region", "probability"]]
    table = training.merge(headers, on=["image_id", "batch"]).merge(judged, on="image_id", validate="one_to_one")
    table = table[table["label_region"].notna()].reset_index(drop=True)
    said = correct_labels(load_verdicts(paths)).set_index("image_id").reindex(table["image_id"])
    read, wrong = said["verdict"].notna().to_numpy(), said["verdict"].isin(_WRONG).to_numpy()
    shown = np.where(read, said["region"].to_numpy(object), table["suggested_region"].to_numpy(object))
    table = table.replace({"station": _UNKNOWN, "manufacturer": _UNKNOWN, "model": _UNKNOWN}, "")
    named = table[["manufacturer", "model"]].fillna("").agg(" ".join, axis=1).str.strip()
    return pd.DataFrame(
        {
            "image_id": table["image_id"],
            "patient": table["group"],
            "pseudonym": table["patient"],
            "day": table["study_date_shifted"],
            "probability": np.where(read, wrong.astype(float), table["probability"].to_numpy(float)),
            "read": read,
            SHOWN: shown,
            GIVEN: table["label_region"],
            "station": table["station"].fillna(""),
            "device": named,
            "batch": table["batch"],
            "attribute": table["label_attribute"].fillna(""),
            "word": (table["label_attribute"] + ": " + table["label_matched"]).fillna(""),
        }
    )


def with_private_factors(paths: Paths, table: pd.DataFrame) -> pd.DataFrame | None:
    """`table` with ProtocolName's wording and the true month, for `data/private` only; None without that folder."""
    if not (paths.label_texts.exists() and paths.key.exists()):
        log.info("protocols and months are not looked at: they are in data/private, which is not here")
        return None
    texts = read_table(paths.label_texts)
    texts = texts[texts["attribute"] == "ProtocolName"].drop_duplicates("image_id")
    protocol = table[["image_id"]].merge(texts, on="image_id", how="left")["text"].fillna("")
    days = load_pseudonyms(paths.key)
    month = [
        f"{days.unshifted(who, day.date()):%Y-%m}" if pd.notna(day) else ""
        for who, day in zip(table["pseudonym"], table["day"], strict=True)
    ]
    return table.assign(protocol=protocol.str.split().str.join(" ").str.casefold().to_numpy(object), month=month)
