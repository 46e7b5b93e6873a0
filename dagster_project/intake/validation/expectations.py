"""Expectations on a batch's header table: one entry each, with one name for GX, Dagster and the reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from dagster_project.core.settings.settings import Validation
from dagster_project.intake.ingestion.batch.tables import HEADERS

_PSEUDONYM = r"^[0-9a-f]{32}$"
_TRANSFER_SYNTAX = r"^1\.2\.840\.10008\.1\.2(?:\.\d+){0,2}$"
_UID_OR_NAME = r"(?:\d+\.){5,}|\^"  # what an original UID or a DICOM person name looks like
_PSEUDONYM_COLUMNS = ("image_id", "patient", "study", "series", "pixel_digest")
_DEVICE_TEXTS = ("manufacturer", "model", "station", "label_matched")
_MAY_BE_MISSING = ("header_region", "label_conflict_region")


@dataclass(frozen=True)
class Bounds:
    """The values that the expectations use. `images` is the length of the batch's pixel shard."""

    batch: str
    regions: tuple[str, ...]
    images: int
    settings: Validation
    today: date


@dataclass(frozen=True)
class HeaderExpectation:
    """`kind` is the GX expectation class, `settings` gives its arguments. `blocking`: a failure would harm training."""

    name: str
    says: str
    kind: str
    settings: Callable[[Bounds], dict[str, Any]]
    blocking: bool = False


def _pseudonym(column: str) -> HeaderExpectation:
    says = f"`{column}` is a pseudonym (32 hexadecimal digits) in every row"
    settings = {"column": column, "regex": _PSEUDONYM}
    return HeaderExpectation(f"{column}_is_a_pseudonym", says, "ColumnValuesToMatchRegex", lambda b: settings, True)


def _one_of(column: str, *, blocking: bool = False) -> HeaderExpectation:
    (allowed,) = (list(declared.values) for declared in HEADERS.columns if declared.name == column)
    says = f"`{column}` is one of {', '.join(value or '(empty)' for value in allowed)}"
    settings = {"column": column, "value_set": allowed}
    return HeaderExpectation(f"{column}_is_known", says, "ColumnValuesToBeInSet", lambda b: settings, blocking)


def _side(column: str) -> HeaderExpectation:
    return HeaderExpectation(
        f"{column}_within_bounds",
        f"`{column}` of the source image is between validation.min_side and validation.max_side",
        "ColumnValuesToBeBetween",
        lambda b: {
            "column": column,
            "min_value": b.settings.min_side,
            "max_value": b.settings.max_side,
            "mostly": 0.99,
        },
    )


def _label_share(name: str, says: str, status: str, most: Callable[[Validation], float]) -> HeaderExpectation:
    return HeaderExpectation(
        name,
        says,
        "ColumnValuesToNotBeInSet",
        lambda b: {"column": "label_status", "value_set": status.split(), "mostly": 1 - most(b.settings)},
    )


def _no_identity(column: str) -> HeaderExpectation:
    says = f"`{column}` contains no text that looks like an original UID or a person's name"
    settings = {"column": column, "regex": _UID_OR_NAME}
    return HeaderExpectation(
        f"{column}_holds_no_identity", says, "ColumnValuesToNotMatchRegex", lambda b: settings, True
    )


EXPECTATIONS: tuple[HeaderExpectation, ...] = (
    HeaderExpectation(
        "columns_are_the_allowed_ones",
        "The table has exactly the columns of the allow-list, and therefore no private column",
        "TableColumnsToMatchSet",
        lambda b: {"column_set": list(HEADERS.types), "exact_match": True},
        blocking=True,
    ),
    HeaderExpectation(
        "rows_match_the_shard",
        "The number of rows equals the number of images in the pixel shard",
        "TableRowCountToEqual",
        lambda b: {"value": b.images},
        blocking=True,
    ),
    HeaderExpectation(
        "image_id_is_unique",
        "Each image appears only once",
        "ColumnValuesToBeUnique",
        lambda b: {"column": "image_id"},
        blocking=True,
    ),
    *map(_pseudonym, _PSEUDONYM_COLUMNS),
    HeaderExpectation(
        "batch_is_this_one",
        "Every row belongs to this batch",
        "ColumnValuesToBeInSet",
        lambda b: {"column": "batch", "value_set": [b.batch]},
        blocking=True,
    ),
    _one_of("modality", blocking=True),
    _one_of("sop_class", blocking=True),
    _one_of("photometric_interpretation", blocking=True),
    HeaderExpectation(
        "transfer_syntax_is_standard",
        "`transfer_syntax` is a transfer syntax of the DICOM standard",
        "ColumnValuesToMatchRegex",
        lambda b: {"column": "transfer_syntax", "regex": _TRANSFER_SYNTAX},
    ),
    _side("rows"),
    _side("columns"),
    HeaderExpectation(
        "bits_allocated_are_8_or_16",
        "`bits_allocated` is 8 or 16",
        "ColumnValuesToBeInSet",
        lambda b: {"column": "bits_allocated", "value_set": [8, 16]},
        blocking=True,
    ),
    HeaderExpectation(
        "bits_stored_fit_allocated",
        "`bits_stored` is at most `bits_allocated`",
        "ColumnPairValuesAToBeGreaterThanB",
        lambda b: {"column_A": "bits_allocated", "column_B": "bits_stored", "or_equal": True},
        blocking=True,
    ),
    HeaderExpectation(
        "bits_stored_are_enough",
        "`bits_stored` is between 8 and 16",
        "ColumnValuesToBeBetween",
        lambda b: {"column": "bits_stored", "min_value": 8, "max_value": 16},
    ),
    HeaderExpectation(
        "header_region_is_a_class",
        "`header_region` is empty or a class of the regions file",
        "ColumnValuesToBeInSet",
        lambda b: {"column": "header_region", "value_set": list(b.regions)},
        blocking=True,
    ),
    _one_of("label_status", blocking=True),
    _label_share(
        "labels_are_present",
        "Few images have no label (limit: validation.max_missing_label)",
        "missing",
        lambda p: p.max_missing_label,
    ),
    _label_share(
        "labels_are_unambiguous",
        "Few labels have no single region or no known word (limit: validation.max_ambiguous_label)",
        "ambiguous unmapped",
        lambda p: p.max_ambiguous_label,
    ),
    HeaderExpectation(
        "labels_agree",
        "Few images have attributes that name different regions (limit: validation.max_label_conflict)",
        "ColumnValuesToBeInSet",
        lambda b: {"column": "label_conflict", "value_set": [""], "mostly": 1 - b.settings.max_label_conflict},
    ),
    HeaderExpectation(
        "several_regions",
        "The batch's labels name at least two regions",
        "ColumnUniqueValueCountToBeBetween",
        lambda b: {"column": "header_region", "min_value": 2},
    ),
    _one_of("view_position"),
    _one_of("laterality"),
    _one_of("patient_sex"),
    HeaderExpectation(
        "age_decade_is_possible",
        "`age_decade` is missing or between 0 and 9",
        "ColumnValuesToBeBetween",
        lambda b: {"column": "age_decade", "min_value": 0, "max_value": 9},
    ),
    HeaderExpectation(
        "study_date_is_possible",
        "`study_date_shifted` is missing, or between the year before validation.first_year and today",
        "ColumnValuesToBeBetween",
        lambda b: {
            "column": "study_date_shifted",
            "min_value": pd.Timestamp(b.settings.first_year - 1, 1, 1),
            "max_value": pd.Timestamp(b.today),
        },
    ),
    HeaderExpectation(
        "study_date_is_mostly_known",
        "`study_date_shifted` is known in at least 90% of the rows",
        "ColumnValuesToNotBeNull",
        lambda b: {"column": "study_date_shifted", "mostly": 0.9},
    ),
    HeaderExpectation(
        "kvp_is_possible",
        "`kvp` is missing or between 20 and 150 kV",
        "ColumnValuesToBeBetween",
        lambda b: {"column": "kvp", "min_value": 20, "max_value": 150, "mostly": 0.99},
    ),
    HeaderExpectation(
        "images_mostly_differ",
        "At least 90% of the images have pixels that no other image has",
        "ColumnValuesToBeUnique",
        lambda b: {"column": "pixel_digest", "mostly": 0.9},
    ),
    *map(_no_identity, _DEVICE_TEXTS),
)


def masked(headers: pd.DataFrame) -> pd.DataFrame:
    """The header table for the suite, without identities: Data Docs, Dagster and reports show sample rows.

    A value that is not a pseudonym, or that looks like an identity, is replaced by a text that fails the same check. A
    required text that is missing becomes an empty text, because Great Expectations ignores missing values.
    """
    shown = headers.copy(deep=False)
    texts = [name for name, kind in HEADERS.types.items() if kind == "string" and name in shown]
    for column in texts:
        values = shown[column].astype("string")
        if column not in _MAY_BE_MISSING:
            values = values.fillna("")
        if column in _PSEUDONYM_COLUMNS:
            bad = np.flatnonzero(~values.str.match(_PSEUDONYM))
            values.iloc[bad] = pd.Index([f"no pseudonym in row {row}" for row in bad], dtype="str")
        if column in _DEVICE_TEXTS:
            values = values.where(~values.str.contains(_UID_OR_NAME), "^")
        shown[column] = _shared(values)
    return shown


def _shared(values: pd.Series) -> pd.Series:
    """Texts as objects, one object for all equal rows, because a million objects take gigabytes. None if missing."""
    codes, texts = pd.factorize(values)  # a missing value has code -1, which is the last object
    objects: Any = np.array([*texts, None], dtype=object)
    return pd.Series(objects[codes], index=values.index, dtype="object")
