"""The tables of version 0.1.0 under the names of today."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pyarrow.parquet as pq

from dagster_project.core.atomic_io import write_table
from dagster_project.core.paths import Paths
from dagster_project.core.schema import KEY

SET_ASIDE = "before-0.2.0"
_STATES = {"absent": "missing", "undecidable": "ambiguous", "outside": "out_of_scope"}
_REASONS = {
    "no_label": "missing_label",
    "undecidable_label": "ambiguous_label",
    "outside_label": "out_of_scope_label",
}


@dataclass(frozen=True)
class _Change:
    """New names of columns, new values of columns, columns that are gone. `codes`: columns of codes with semicolons.

    `empty`: a new column of text -> the column before it. It stays empty until its stage runs again.
    """

    columns: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    empty: dict[str, str] = field(default_factory=dict)


_CHANGES = {
    "data/headers/*.parquet": _Change(
        {"label_region": "header_region"}, {"label_status": _STATES}, codes=("warnings",)
    ),
    "data/quarantine/*.parquet": _Change(codes=("reason",)),
    "data/patient_evidence/*.parquet": _Change(),
    "data/private/files.parquet": _Change(codes=("reason",)),
    "data/private/identities.parquet": _Change(),
    "data/private/identifiers.parquet": _Change(),
    "data/private/label_texts.parquet": _Change(),
    "data/splits.parquet": _Change(),
    "data/training_set.parquet": _Change(
        {"group": "patient_group", "given_region": "header_region", "excluded": "exclusion"},
        {
            "label_status": _STATES,
            "exclusion": {"copy_on_other_side": "split_leakage", "patient_on_other_side": "patient_split_leakage"},
        },
    ),
    "data/patient_links.parquet": _Change({"group": "patient_group"}),
    "data/corrected_labels.parquet": _Change(),
    "data/label_errors.parquet": _Change(
        {"suggested_region": "proposed_region", "unusual": "neighbourhood_noise", "agreement": "model_agreement"},
        gone=("score",),
        empty={"visible_regions": "error_probability"},
    ),
}
# What `raytruth run` and `raytruth monitor` make again, in another form than before.
_MADE_AGAIN = (
    *("data/judgements.parquet", "data/causes.parquet", "data/private/causes.parquet", "data/test_predictions"),
    *("data/predictions", "data/drift", "models/ensemble", "models/champion.json"),
    *("models/champions", "models/encoder_simclr", "models/encoder_byol", "models/encoder_supcon"),
    "models/encoder_supcon_crossfit",
)


def migrate_tables(paths: Paths) -> int:
    """Bring the tables to the names of today, in place; return how many were changed.

    A table of today, which carries a schema version, stays as it is.
    """
    changed = 0
    for pattern, change in _CHANGES.items():
        for path in sorted(paths.root.glob(pattern)):
            if KEY.encode() not in (pq.read_schema(path).metadata or {}):
                write_table(path, _changed(pd.read_parquet(path), change))
                changed += 1
    return changed


def set_aside(paths: Paths) -> list[str]:
    """Move the files that are made again to `before-0.2.0/`, or in `data/private`; return their names.

    To be called for a root of version 0.1.0 only.
    """
    moved = []
    for name in _MADE_AGAIN:
        path = paths.root / name
        if path.exists():
            base = paths.private if path.is_relative_to(paths.private) else paths.root
            target = base / SET_ASIDE / path.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            moved.append(name)
    return moved


def _changed(table: pd.DataFrame, change: _Change) -> pd.DataFrame:
    table = table.rename(columns=change.columns).drop(columns=[name for name in change.gone if name in table])
    for name, values in change.values.items():
        table[name] = table[name].replace(values)
    for name in change.codes:
        table[name] = table[name].map(lambda codes: ";".join(_REASONS.get(code, code) for code in codes.split(";")))
    for name, before in change.empty.items():
        table.insert(list(table.columns).index(before) + 1, name, "")
    return table
