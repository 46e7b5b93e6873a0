"""The training set: every picture of the batches that passed, with its label, split, fold and near-duplicate group."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dagster_project.errors import RayTruthError
from dagster_project.files import read_table, write_json, write_table
from dagster_project.ingestion.store import ingested_batches, load_headers, open_pixels
from dagster_project.layout import Layout
from dagster_project.ledger import load_corrected_labels
from dagster_project.params import Params
from dagster_project.taxonomy.taxonomy import load_taxonomy
from dagster_project.training_set.labels import apply_corrections, drop_small_classes
from dagster_project.training_set.migrate import migrate
from dagster_project.training_set.near_duplicates import linked_groups, near_duplicate_pairs, thumbnails
from dagster_project.training_set.split import SPLITS, assign_folds, assign_splits, stratum_of
from dagster_project.validation.validate import load_validation

log = logging.getLogger("raytruth")

COLUMNS = [
    *(
        "image_id",
        "batch",
        "row",
        "picture_hash",
        "patient",
        "study",
        "group",
        "near_duplicate_group",
        "split",
        "fold",
        "region",
    ),
    *("given_region", "reviewed", "label_status", "label_attribute", "label_rule", "label_matched"),
    *("label_conflict", "label_conflict_region", "excluded"),
]
_BLOCK = 4096


@dataclass(frozen=True)
class TrainingSetSummary:
    """`refused`: batch -> why it was left out; `small_classes`: class -> patients; `counts`: region by split."""

    pictures: int
    patients: int
    refused: dict[str, str]
    small_classes: dict[str, int]
    near_duplicates: int
    counts: pd.DataFrame


def build_training_set(layout: Layout, params: Params) -> TrainingSetSummary:
    """Build `data/training_set.parquet` from every batch whose latest blocking checks passed.

    A patient, and whoever a near-duplicate links with, stands on one side of the split; who was assigned once
    (`data/splits.parquet`) never moves. If near-duplicates turn up between patients assigned to different sides, the
    copy on the less protected side (train, then validation, then test) is excluded.
    Raises RayTruthError if no batch passed, or fewer than two classes have enough patients.
    """
    settings = params.training_set
    refused = {b: why for b in ingested_batches(layout) if (why := why_refused(layout, b))}
    for batch, why in refused.items():
        log.warning("batch %s is left out of the training set: %s", batch, why)
    table = _read_batches(layout, [b for b in ingested_batches(layout) if b not in refused], refused)
    regions = load_taxonomy(layout.root / params.regions).regions
    corrected, _ = migrate(load_corrected_labels(layout), settings.region_map, regions)
    table = apply_corrections(table, corrected)
    table, small = drop_small_classes(table, settings.min_patients)

    table["picture_hash"], tiny = _read_pictures(layout, table)
    pairs = _near_duplicates(table, tiny, settings.near_duplicate_similarity)
    table["near_duplicate_group"] = linked_groups(len(table), pairs).astype("int32")
    table["group"] = _groups(table, pairs)
    strata = stratum_of(table["group"], table["region"])
    table["fold"] = table["group"].map(assign_folds(strata, settings.folds))
    table["split"] = _splits(layout, table, strata, settings.test, settings.validation)
    table["excluded"] = _copies_on_other_side(table["split"].to_numpy(object), pairs)

    table = table[COLUMNS].sort_values("image_id", ignore_index=True)
    write_table(layout.training_set, table)
    counts = pd.crosstab(table["region"].fillna("(none)"), table["split"]).reindex(columns=list(SPLITS), fill_value=0)
    patients = int(table["patient"].nunique())
    write_json(
        layout.metrics("training_set"),
        {
            "pictures": len(table),
            "patients": patients,
            "labelled": int(table["region"].notna().sum()),
            "near_duplicates": len(pairs),
            "batches": int(table["batch"].nunique()),
            "pictures_by_split": {name: int((table["split"] == name).sum()) for name in SPLITS},
        },
    )
    return TrainingSetSummary(len(table), patients, refused, small, len(pairs), counts)


def why_refused(layout: Layout, batch: str) -> str:
    """Why a batch may not be trained on, or '' if it may: unvalidated as it stands now, or blocking checks failed."""
    validation = load_validation(layout, batch)
    if validation is None:
        return f"it was not validated as it stands now: raytruth validate {batch}"
    return "blocking checks failed: " + ", ".join(validation.blocked_by) if validation.blocked_by else ""


def load_training_set(layout: Layout) -> pd.DataFrame:
    """The training set, one row a picture, sorted by image_id.

    Raises RayTruthError if there is none yet.
    """
    if not layout.training_set.exists():
        raise RayTruthError(
            "There is no training set yet", where="data/training_set.parquet", do="run `raytruth split`"
        )
    return read_table(layout.training_set)


def class_numbers(layout: Layout, params: Params, rows: pd.DataFrame) -> np.ndarray:
    """Class number of each row's region in the taxonomy's order, int64 (N,); -1 where it has none."""
    regions = load_taxonomy(layout.root / params.regions).regions
    return pd.Categorical(rows["region"].to_numpy(object), categories=regions).codes.astype(np.int64)


def gather_pictures(layout: Layout, table: pd.DataFrame, px: int) -> np.ndarray:
    """The pictures of `table`'s rows (columns `batch`, `row`), reduced to uint8 (N, px, px) by area averaging.

    Shards are memory-mapped and read in blocks. `px` at or above the shards' side leaves them as they are.
    """
    out: np.ndarray | None = None
    positions = np.arange(len(table))
    for batch, rows in table.assign(position=positions).groupby("batch"):
        shard = open_pixels(layout, str(batch))
        for start in range(0, len(rows), _BLOCK):
            block = rows.iloc[start : start + _BLOCK]
            small = reduced(shard[block["row"].to_numpy()], px)
            if out is None:
                out = np.empty((len(table), *small.shape[1:]), dtype=np.uint8)
            out[block["position"].to_numpy()] = small
    if out is None:
        raise RayTruthError("No picture is selected", where="the training set", do="ingest a batch with radiographs")
    return out


def reduced(pictures: np.ndarray, px: int) -> np.ndarray:
    """Reduce uint8 (N, side, side) to (N, px, px) by area averaging; unchanged if side <= px."""
    if pictures.shape[1] <= px:
        return np.ascontiguousarray(pictures)
    import torch
    from torch.nn.functional import interpolate

    floats = torch.from_numpy(np.array(pictures))[:, None].float()
    return interpolate(floats, size=(px, px), mode="area")[:, 0].round().to(torch.uint8).numpy()


def _read_batches(layout: Layout, batches: list[str], refused: dict[str, str]) -> pd.DataFrame:
    if not batches:
        raise RayTruthError(
            "No batch may be trained on" + "".join(f"\n  {batch}: {why}" for batch, why in refused.items()),
            where="data/headers/",
            do="mend what the checks found and ingest again" if refused else "ingest a batch: `raytruth ingest SOURCE`",
        )
    tables = [load_headers(layout, batch).assign(row=lambda t: np.arange(len(t), dtype="int32")) for batch in batches]
    table = pd.concat(tables, ignore_index=True)
    again = table.duplicated("image_id")
    if again.any():
        log.info("%d pictures came again in a later batch; their first batch counts", again.sum())
    return table[~again].reset_index(drop=True)


def _read_pictures(layout: Layout, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """A hash (N,) and a thumbnail (N, 32, 32) of every picture, in the table's order."""
    hashes, tiny = np.empty(len(table), dtype=object), np.empty((len(table), 32, 32), dtype=np.uint8)
    for batch, rows in table.groupby("batch"):
        shard = open_pixels(layout, str(batch))
        for start in range(0, len(rows), _BLOCK):
            block = rows.iloc[start : start + _BLOCK]
            pictures = shard[block["row"].to_numpy()]
            hashes[block.index] = [
                hashlib.blake2b(picture.tobytes(), digest_size=8).hexdigest() for picture in pictures
            ]
            tiny[block.index] = thumbnails(pictures)
    return hashes, tiny


def _near_duplicates(table: pd.DataFrame, tiny: np.ndarray, threshold: float) -> np.ndarray:
    """Pairs (P, 2) of rows with equal pixels or thumbnails that correlate at `threshold` or more, first < second."""
    similar = near_duplicate_pairs(tiny, threshold)
    digest = table.groupby("pixel_digest", sort=False).ngroup().to_numpy()
    by_digest = np.argsort(digest, kind="stable")
    equal = digest[by_digest[1:]] == digest[by_digest[:-1]]
    same = np.stack([by_digest[:-1][equal], by_digest[1:][equal]], axis=1)
    return np.unique(np.sort(np.concatenate([similar.reshape(-1, 2), same]), axis=1), axis=0)


def _groups(table: pd.DataFrame, pairs: np.ndarray) -> pd.Series:
    """Patients linked by near-duplicates, named by the first of their pseudonyms."""
    patient = table.groupby("patient", sort=True).ngroup().to_numpy()
    names = pd.Series(sorted(table["patient"].unique()), dtype="string")
    component = linked_groups(len(names), patient[pairs].reshape(-1, 2))
    first = names.groupby(component).transform("min")
    return pd.Series(first.to_numpy(object)[patient], index=table.index, dtype="string")


def _splits(layout: Layout, table: pd.DataFrame, strata: pd.Series, test: float, validation: float) -> pd.Series:
    settled = pd.DataFrame({"patient": [], "split": []}, dtype="string")
    if layout.splits.exists():
        settled = read_table(layout.splits)
    of_patient = settled.set_index("patient")["split"]
    members = table[["patient", "group"]].drop_duplicates()
    known = members.assign(split=members["patient"].map(of_patient)).dropna(subset="split")
    # Linked patients who were settled on different sides: newcomers join the most protected one.
    known = known.sort_values("split", key=lambda s: s.map(SPLITS.index), ascending=False).drop_duplicates("group")
    of_group = assign_splits(strata, known.set_index("group")["split"], test=test, validation=validation)
    members = members.assign(split=members["patient"].map(of_patient).fillna(members["group"].map(of_group)))
    new = members[~members["patient"].isin(of_patient.index)][["patient", "split"]]
    everyone = pd.concat([settled, new.sort_values("patient")], ignore_index=True).astype("string")
    write_table(layout.splits, everyone)
    return table["patient"].map(everyone.set_index("patient")["split"])


def _copies_on_other_side(split: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    protection = np.array([SPLITS.index(name) for name in split])
    first, second = protection[pairs[:, 0]], protection[pairs[:, 1]]
    excluded = np.full(len(split), "", dtype=object)
    excluded[pairs[first < second, 0]] = "copy_on_other_side"
    excluded[pairs[second < first, 1]] = "copy_on_other_side"
    return excluded
